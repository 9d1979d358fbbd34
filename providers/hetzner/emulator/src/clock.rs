//! What time it is for the emulator: that of the machine, or a simulated one that stands until it is moved.

use std::collections::BTreeMap;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The time of an emulator.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// That of the machine.
    #[default]
    Real,
    /// One that tests move.
    Simulated(SimulatedClock),
}

impl Clock {
    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Real => Timestamp::now(),
            Self::Simulated(clock) => clock.now(),
        }
    }

    /// Ends when that time has come; never, if there is none.
    pub(crate) async fn sleep_until(&self, time: Option<Timestamp>) {
        let Some(time) = time else { return future::pending().await };
        match self {
            Self::Real => {
                let left = time.duration_since(Timestamp::now());
                tokio::time::sleep(left.try_into().unwrap_or_default()).await;
            }
            Self::Simulated(clock) => clock.sleep_until(time).await,
        }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        if !duration.is_zero() {
            self.sleep_until(Some(later(self.now(), duration))).await;
        }
    }

    /// Says that something happens, so that simulated time waits for what follows from it.
    pub(crate) fn stir(&self) {
        if let Self::Simulated(clock) = self {
            clock.state().stirs += 1;
        }
    }
}

/// `time` moved on by `duration`.
pub(crate) fn later(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A time that stands until it is moved. Clones are the same clock: an emulator, its client and a test share one.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    state: Arc<Mutex<State>>,
    moved: watch::Sender<Timestamp>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// How many sleep until when.
    sleepers: BTreeMap<Timestamp, usize>,
    /// Counts everything that happens; while it changes, somebody is at work.
    stirs: u64,
}

impl SimulatedClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        let state = State { now, sleepers: BTreeMap::new(), stirs: 0 };
        Self { state: Arc::new(Mutex::new(state)), moved: watch::Sender::new(now) }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.state().now
    }

    /// Moves the time on. What was to happen meanwhile happens.
    pub fn advance(&self, duration: Duration) {
        let now = later(self.now(), duration);
        self.set(now);
    }

    /// Moves the time on to when the next sleeper wakes. False if nobody sleeps.
    pub fn advance_to_next(&self) -> bool {
        let next = self.state().sleepers.keys().next().copied();
        next.map(|time| self.set(time)).is_some()
    }

    /// Sleeps in simulated time.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(later(self.now(), duration)).await;
    }

    /// Sleeps until the clock shows `time`.
    pub async fn sleep_until(&self, time: Timestamp) {
        let mut moved = self.moved.subscribe();
        if *moved.borrow_and_update() >= time {
            return;
        }
        let _asleep = Asleep::new(self, time);
        // The sender lives in this clock, so the channel cannot be closed.
        let _ = moved.wait_for(|now| *now >= time).await;
    }

    /// Moves the time on whenever everybody sleeps. Runs until it is dropped.
    ///
    /// That nobody is at work cannot be known, only that nothing stirred for a while: `quiet`, in real time, must be longer than any computation
    /// between two sleeps. Simulated time is exact as long as it is; how long `quiet` is does not show in it.
    pub async fn drive(&self, quiet: Duration) {
        loop {
            let before = self.state().stirs;
            tokio::time::sleep(quiet).await;
            if self.state().stirs == before {
                self.advance_to_next();
            }
        }
    }

    fn set(&self, time: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(time);
        state.stirs += 1;
        self.moved.send_replace(state.now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who sleeps; no longer, when it is dropped.
struct Asleep<'a> {
    clock: &'a SimulatedClock,
    until: Timestamp,
}

impl<'a> Asleep<'a> {
    fn new(clock: &'a SimulatedClock, until: Timestamp) -> Self {
        let mut state = clock.state();
        *state.sleepers.entry(until).or_default() += 1;
        state.stirs += 1;
        Self { clock, until }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        state.stirs += 1;
        if let Some(count) = state.sleepers.get_mut(&self.until) {
            *count -= 1;
            if *count == 0 {
                state.sleepers.remove(&self.until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn time_stands_until_it_is_moved() {
        let clock = SimulatedClock::new(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        while clock.state().sleepers.is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(9));
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now().as_second(), 10);
        assert!(!clock.advance_to_next(), "nobody sleeps");
    }

    #[tokio::test]
    async fn a_driven_clock_measures_what_is_slept_in_sequence_and_at_once() {
        let clock = SimulatedClock::new(Timestamp::UNIX_EPOCH);
        let sleep = |seconds| clock.sleep(Duration::from_secs(seconds));
        let work = async {
            sleep(3).await;
            tokio::join!(sleep(5), sleep(7), sleep(1));
        };
        tokio::select! {
            () = work => {}
            () = clock.drive(QUIET) => unreachable!("it runs until it is dropped"),
        }
        assert_eq!(clock.now().as_second(), 10);
    }
}
