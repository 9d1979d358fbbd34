use super::*;
use crate::policy::problem::Place;
use proptest::prelude::*;

const HERE: Place = Place { line: 1, column: 1 };

/// Windows from a sketch such as `fri,sat 22:00-06:00`; `*` for all days.
fn windows(zone: &str, sketches: &[&str]) -> DeploymentWindows {
    DeploymentWindows {
        enabled: Placed::new(true, HERE),
        timezone: Placed::new(Zone::named(zone).unwrap(), HERE),
        weekly: sketches.iter().map(|sketch| Placed::new(window(sketch), HERE)).collect(),
        freezes: Vec::new(),
    }
}

fn window(sketch: &str) -> WeeklyWindow {
    let (days, hours) = sketch.split_once(' ').unwrap();
    let (from, to) = hours.split_once('-').unwrap();
    let day = |word: &str| Weekdays::WORDS.iter().find(|(_, short, _)| *short == word).unwrap().0;
    let days = if days == "*" { Weekdays::ALL } else { days.split(',').map(day).collect() };
    WeeklyWindow { days, from: time(from), to: time(to) }
}

fn time(text: &str) -> TimeOfDay {
    let (hour, minute) = text.split_once(':').unwrap();
    TimeOfDay::new(hour.parse().unwrap(), minute.parse().unwrap()).unwrap()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn freeze(from: &str, until: &str) -> Placed<Freeze> {
    Placed::new(Freeze { from: instant(from), until: instant(until), reason: "holidays".to_owned() }, HERE)
}

/// Within the day from `from` (an instant) on, the windows open and close at exactly these instants; the first change is `changes[0]`.
#[track_caller]
fn check(windows: &DeploymentWindows, from: &str, changes: &[&str]) {
    let mut cursor = instant(from);
    let mut found = Vec::new();
    while found.len() < changes.len() {
        let next = windows.next_change(cursor).expect("a weekly window changes");
        assert_ne!(windows.is_open(cursor), windows.is_open(next));
        found.push(next.to_string());
        cursor = next;
    }
    assert_eq!(found, changes);
}

#[test]
fn an_office_window_opens_and_closes_by_its_zones_clock() {
    let office = windows("Europe/Berlin", &["mon,tue,wed,thu,fri 09:00-17:00"]);
    // Friday to Monday, in winter.
    check(
        &office,
        "2026-11-20T00:00:00Z",
        &["2026-11-20T08:00:00Z", "2026-11-20T16:00:00Z", "2026-11-23T08:00:00Z"],
    );
    // In summer an hour earlier.
    check(&office, "2026-07-03T00:00:00Z", &["2026-07-03T07:00:00Z", "2026-07-03T15:00:00Z"]);
    assert!(!office.is_open(instant("2026-11-20T16:00:00Z")), "`to` is outside");
    assert!(office.is_open(instant("2026-11-20T15:59:59.999Z")));
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_opens() {
    let night = windows("Europe/Berlin", &["fri 22:00-06:00"]);
    check(
        &night,
        "2026-11-20T00:00:00Z",
        &["2026-11-20T21:00:00Z", "2026-11-21T05:00:00Z", "2026-11-27T21:00:00Z"],
    );
    assert!(night.is_open(instant("2026-11-21T04:00:00Z")), "Saturday at 05:00");
    assert!(!night.is_open(instant("2026-11-20T04:00:00Z")), "Friday at 05:00");
}

#[test]
fn a_window_of_almost_a_day_is_closed_in_between() {
    let long = windows("UTC", &["* 12:00-11:00"]);
    check(
        &long,
        "2026-11-20T10:00:00Z",
        &["2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T11:00:00Z"],
    );
}

#[test]
fn windows_that_touch_are_one() {
    let day = windows("UTC", &["* 22:00-06:00", "* 06:00-08:00", "* 07:00-09:00"]);
    check(&day, "2026-11-20T12:00:00Z", &["2026-11-20T22:00:00Z", "2026-11-21T09:00:00Z"]);
}

#[test]
fn whole_days_leave_no_crack_at_midnight() {
    for zone in
        ["UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"]
    {
        let always = windows(zone, &["* 00:00-24:00"]);
        assert_eq!(always.next_change(instant("2011-06-01T00:00:00Z")), None, "{zone}");
        assert_eq!(always.next_change(instant("2017-06-01T00:00:00Z")), None, "{zone}");
    }
}

#[test]
fn without_windows_only_freezes_count() {
    let mut open = windows("UTC", &[]);
    assert_eq!(open.state(instant("2026-11-20T00:00:00Z")), WindowState::Open { closes: None, window: None });
    open.freezes.push(freeze("2026-12-23T00:00:00Z", "2027-01-03T00:00:00Z"));
    check(&open, "2026-11-20T00:00:00Z", &["2026-12-23T00:00:00Z", "2027-01-03T00:00:00Z"]);
}

#[test]
fn a_freeze_wins_and_names_itself() {
    let mut office = windows("UTC", &["* 09:00-17:00"]);
    office.freezes = vec![
        freeze("2026-12-23T12:00:00Z", "2026-12-28T08:00:00Z"),
        freeze("2026-12-26T00:00:00Z", "2027-01-02T10:00:00Z"),
    ];
    check(
        &office,
        "2026-12-23T10:00:00Z",
        &["2026-12-23T12:00:00Z", "2027-01-02T10:00:00Z", "2027-01-02T17:00:00Z"],
    );
    let state = office.state(instant("2026-12-27T12:00:00Z"));
    let WindowState::Frozen { opens, freeze } = state else { panic!("{state:?}") };
    assert_eq!(opens, Some(instant("2027-01-02T10:00:00Z")));
    assert_eq!(freeze, &office.freezes[1], "the one that ends last");
}

#[test]
fn windows_switched_off_are_always_open() {
    let mut off = windows("UTC", &["mon 09:00-10:00"]);
    off.freezes.push(freeze("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"));
    off.enabled.value = false;
    let at = instant("2026-11-20T00:00:00Z");
    assert_eq!((off.state(at), off.next_open(at), off.next_change(at)), (WindowState::Off, Some(at), None));
}

#[test]
fn what_never_opens_within_the_horizon_is_known() {
    let mut frozen = windows("UTC", &["mon 09:00-10:00"]);
    let at = instant("2026-11-20T00:00:00Z");
    assert!(!frozen.never_opens(at));
    frozen.freezes.push(freeze("2026-01-01T00:00:00Z", "2028-06-01T00:00:00Z"));
    assert!(frozen.never_opens(at));
    assert!(!frozen.never_opens(instant("2028-01-01T00:00:00Z")));
}

// Berlin, 29 March 2026: the clock goes from 02:00 to 03:00 at 01:00 UTC.

#[test]
fn an_opening_in_a_gap_is_at_its_end() {
    check(
        &windows("Europe/Berlin", &["* 02:30-05:00"]),
        "2026-03-29T00:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"],
    );
}

#[test]
fn a_closing_in_a_gap_is_the_moment_of_the_jump() {
    check(
        &windows("Europe/Berlin", &["* 00:00-02:30"]),
        "2026-03-28T22:30:00Z",
        &["2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"],
    );
}

#[test]
fn a_window_inside_a_gap_does_not_open_on_that_day() {
    check(
        &windows("Europe/Berlin", &["* 02:15-02:45"]),
        "2026-03-28T12:00:00Z",
        &["2026-03-30T00:15:00Z", "2026-03-30T00:45:00Z"],
    );
}

// Berlin, 25 October 2026: the clock goes from 03:00 back to 02:00 at 01:00 UTC; 02:30 is at 00:30 and 01:30 UTC.

#[test]
fn a_window_inside_an_overlap_opens_once_from_the_first_to_the_last() {
    check(
        &windows("Europe/Berlin", &["* 02:15-02:45"]),
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:15:00Z", "2026-10-25T01:45:00Z"],
    );
}

#[test]
fn an_opening_in_an_overlap_is_the_first_and_a_closing_the_second() {
    check(
        &windows("Europe/Berlin", &["* 02:30-05:00"]),
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"],
    );
    check(
        &windows("Europe/Berlin", &["* 22:00-02:30"]),
        "2026-10-24T12:00:00Z",
        &["2026-10-24T20:00:00Z", "2026-10-25T01:30:00Z"],
    );
}

#[test]
fn a_closing_at_the_start_of_an_overlap_is_the_first() {
    check(
        &windows("Europe/Berlin", &["* 22:00-02:00"]),
        "2026-10-24T12:00:00Z",
        &["2026-10-24T20:00:00Z", "2026-10-25T00:00:00Z"],
    );
    check(
        &windows("Europe/Berlin", &["* 22:00-03:00"]),
        "2026-10-24T12:00:00Z",
        &["2026-10-24T20:00:00Z", "2026-10-25T02:00:00Z"],
    );
}

#[test]
fn new_york_changes_at_its_own_dates() {
    // 8 March 2026, 02:00 to 03:00 at 07:00 UTC; 1 November 2026, 02:00 to 01:00 at 06:00 UTC.
    check(
        &windows("America/New_York", &["* 02:30-03:30"]),
        "2026-03-07T12:00:00Z",
        &["2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"],
    );
    check(
        &windows("America/New_York", &["* 01:30-01:40"]),
        "2026-10-31T12:00:00Z",
        &["2026-11-01T05:30:00Z", "2026-11-01T06:40:00Z"],
    );
}

#[test]
fn lord_howe_shifts_by_half_an_hour() {
    // 4 October 2026: 02:00 to 02:30 at 15:30 UTC the day before; 5 April 2026: 02:00 to 01:30 at 15:00 UTC the day before.
    check(
        &windows("Australia/Lord_Howe", &["* 02:15-04:00"]),
        "2026-10-03T12:00:00Z",
        &["2026-10-03T15:30:00Z", "2026-10-03T17:00:00Z"],
    );
    check(
        &windows("Australia/Lord_Howe", &["* 01:30-01:45"]),
        "2026-04-04T12:00:00Z",
        &["2026-04-04T14:30:00Z", "2026-04-04T15:15:00Z"],
    );
}

#[test]
fn a_day_that_a_zone_leaves_out_opens_no_window() {
    // Apia had no Friday, 30 December 2011: Thursday ended at 10:00 UTC, and Saturday began.
    check(
        &windows("Pacific/Apia", &["fri 09:00-17:00"]),
        "2011-12-24T12:00:00Z",
        &["2012-01-05T19:00:00Z", "2012-01-06T03:00:00Z"],
    );
    check(
        &windows("Pacific/Apia", &["thu 22:00-06:00"]),
        "2011-12-28T12:00:00Z",
        &["2011-12-30T08:00:00Z", "2011-12-30T10:00:00Z"],
    );
    check(
        &windows("Pacific/Apia", &["sat 00:00-01:00"]),
        "2011-12-29T12:00:00Z",
        &["2011-12-30T10:00:00Z", "2011-12-30T11:00:00Z"],
    );
}

#[test]
fn a_midnight_that_is_skipped_opens_the_day_at_its_first_instant() {
    // Cairo, 24 April 2026 (a Friday): 00:00 to 01:00 at 22:00 UTC the day before.
    check(
        &windows("Africa/Cairo", &["fri 00:00-24:00"]),
        "2026-04-23T12:00:00Z",
        &["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
    );
}

#[test]
fn a_clock_set_back_over_midnight_shows_tomorrow_before_today() {
    // St. John's, 7 November 2010: from 00:01 on Sunday back to 23:01 on Saturday, at 02:31 UTC.
    let sunday = windows("America/St_Johns", &["sun 00:00-24:00"]);
    check(&sunday, "2010-11-06T12:00:00Z", &["2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"]);
    assert!(sunday.is_open(instant("2010-11-07T03:00:00Z")), "it is Saturday again, and Sunday has begun");
    let saturday = windows("America/St_Johns", &["sat 00:00-24:00"]);
    check(&saturday, "2010-11-06T01:00:00Z", &["2010-11-06T02:30:00Z", "2010-11-07T03:30:00Z"]);
}

#[test]
fn from_a_time_to_the_same_time_is_a_whole_day() {
    let day = windows("UTC", &["fri 12:00-12:00"]);
    check(&day, "2026-11-20T00:00:00Z", &["2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"]);
}

#[test]
fn zones_are_found_by_any_spelling_and_show_their_own() {
    assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
    assert_eq!(Zone::named("Europe/Berln"), None);
    assert_eq!(Zone::named("UTC").unwrap().name(), "UTC");
    assert!(Zone::names().count() > 400, "the zone data is compiled in");
}

/// Whether the definition in the module's words holds `at` open, found by walking the clock minute by minute. Slow and obvious.
fn is_open_by_definition(window: &WeeklyWindow, zone: &Zone, at: Timestamp) -> bool {
    let clock = |at: Timestamp| zone.rules().to_datetime(at);
    let step = SignedDuration::from_mins(1);
    let (start, end) = (at - SignedDuration::from_hours(80), at + SignedDuration::from_hours(80));
    let mut instants = vec![start];
    while *instants.last().unwrap() < end {
        instants.push(*instants.last().unwrap() + step);
    }
    let today = clock(at).date();
    (-2..=1).any(|offset: i64| {
        let date = today.checked_add(offset.days()).unwrap();
        let closing = if window.to <= window.from { date.tomorrow().unwrap() } else { date };
        let (from, to) = (window.from.on(date).unwrap(), window.to.on(closing).unwrap());
        let opened = instants.iter().any(|instant| *instant <= at && clock(*instant) >= from);
        let closes_later = instants.iter().any(|instant| *instant >= at && clock(*instant) < to);
        window.days.contains(date.weekday()) && opened && closes_later
    })
}

/// Instants near the changes of clocks, and some anywhere.
fn arbitrary_instant() -> impl Strategy<Value = Timestamp> {
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-04-04T15:00:00Z",
        "2011-12-30T10:00:00Z",
        "2026-11-01T06:00:00Z",
        "2017-11-05T05:00:00Z",
    ];
    let near = (prop::sample::select(changes.to_vec()), -2000i64..2000)
        .prop_map(|(change, minutes)| instant(change) + SignedDuration::from_mins(minutes));
    let anywhere = (0i64..40_000_000)
        .prop_map(|minutes| instant("1990-01-01T00:00:00Z") + SignedDuration::from_mins(minutes));
    prop_oneof![3 => near, 1 => anywhere]
}

fn arbitrary_zone() -> impl Strategy<Value = Zone> {
    let names = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Havana",
        "America/St_Johns",
        "Africa/Cairo",
    ];
    prop::sample::select(names.to_vec()).prop_map(|name| Zone::named(name).unwrap())
}

fn arbitrary_window() -> impl Strategy<Value = WeeklyWindow> {
    let quarter = 0u16..96;
    (1u8..128, quarter.clone(), quarter, any::<bool>()).prop_filter_map(
        "an empty window",
        |(days, from, to, to_end)| {
            let (from, to) = (TimeOfDay(from * 15), if to_end { TimeOfDay::END } else { TimeOfDay(to * 15) });
            (from != to).then_some(WeeklyWindow { days: Weekdays(days), from, to })
        },
    )
}

fn arbitrary_windows() -> impl Strategy<Value = DeploymentWindows> {
    let freezes = prop::collection::vec((arbitrary_instant(), 1i64..20_000), 0..3);
    (arbitrary_zone(), prop::collection::vec(arbitrary_window(), 1..4), freezes).prop_map(
        |(zone, weekly, freezes)| DeploymentWindows {
            enabled: Placed::new(true, HERE),
            timezone: Placed::new(zone, HERE),
            weekly: weekly.into_iter().map(|window| Placed::new(window, HERE)).collect(),
            freezes: freezes
                .into_iter()
                .map(|(from, minutes)| Freeze {
                    from,
                    until: from + SignedDuration::from_mins(minutes),
                    reason: String::new(),
                })
                .map(|freeze| Placed::new(freeze, HERE))
                .collect(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_fast_way_agrees_with_the_definition(window in arbitrary_window(), zone in arbitrary_zone(), at in arbitrary_instant()) {
        let windows = DeploymentWindows {
            enabled: Placed::new(true, HERE),
            timezone: Placed::new(zone.clone(), HERE),
            weekly: vec![Placed::new(window.clone(), HERE)],
            freezes: Vec::new(),
        };
        prop_assert_eq!(windows.is_open(at), is_open_by_definition(&window, &zone, at));
    }
}

proptest! {
    #[test]
    fn the_next_opening_is_open_and_the_instant_before_it_is_not(windows in arbitrary_windows(), at in arbitrary_instant()) {
        let Some(opens) = windows.next_open(at) else { return Ok(()) };
        prop_assert!(opens >= at && windows.is_open(opens));
        if opens > at {
            prop_assert!(!windows.is_open(opens - SignedDuration::from_nanos(1)));
        } else {
            prop_assert!(windows.is_open(at));
        }
    }

    #[test]
    fn nothing_changes_before_the_next_change(windows in arbitrary_windows(), at in arbitrary_instant(), part in 0i32..1000) {
        let Some(change) = windows.next_change(at) else { return Ok(()) };
        let between = at + change.duration_since(at) / 1000 * part;
        prop_assert!(change > at);
        prop_assert_eq!(windows.is_open(between), windows.is_open(at));
        prop_assert_ne!(windows.is_open(change), windows.is_open(at));
    }

    #[test]
    fn later_questions_get_later_openings(windows in arbitrary_windows(), at in arbitrary_instant(), minutes in 0i64..50_000) {
        let later = at + SignedDuration::from_mins(minutes);
        if let (Some(first), Some(second)) = (windows.next_open(at), windows.next_open(later)) {
            prop_assert!(first <= second);
        }
    }

    #[test]
    fn one_more_window_never_closes_and_one_more_freeze_never_opens(
        windows in arbitrary_windows(),
        more in arbitrary_window(),
        at in arbitrary_instant(),
    ) {
        let was_open = windows.is_open(at);
        let mut wider = windows.clone();
        wider.weekly.push(Placed::new(more, HERE));
        prop_assert!(!was_open || wider.is_open(at));
        let mut frozen = windows;
        frozen.freezes.push(Placed::new(Freeze { from: at, until: at + SignedDuration::from_mins(1), reason: String::new() }, HERE));
        prop_assert!(!frozen.is_open(at));
    }
}
