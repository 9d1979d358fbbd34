//! How a deploy is told: drawn on a terminal, folded in GitHub Actions, in words to a screen reader.

use std::process::Command;

use windlass_tests::world::{Ran, World};

use crate::shop::world;

const STATEFUL_SET: &str = "infra/k8s/base/statefulsets/postgres.statefulset.yaml";

/// Runs the program on a terminal of this width that is not there.
fn on_a_terminal(world: &World, columns: u32, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut program = world.program();
    program.args(arguments);
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy().replace('\'', r"'\''"));
    let words: Vec<_> =
        std::iter::once(program.get_program()).chain(program.get_args()).map(quoted).collect();
    let line = format!("stty cols {columns} rows 24 && {}", words.join(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env_clear().env("TERM", "xterm");
    script.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.envs(variables.iter().copied()).current_dir(world.repository());
    Ran::of(&mut script)
}

fn make_slow(world: &World) {
    let template = "  template:\n    metadata:\n";
    let slow = "      annotations: {testbed/fault: slow, testbed/seconds: '2'}\n";
    world.replace(STATEFUL_SET, template, &format!("{template}{slow}"));
    world.commit("Start slowly");
}

#[test]
fn a_terminal_shows_one_line_that_changes_and_fits() {
    let (_space, world) = world();
    make_slow(&world);
    let ran = on_a_terminal(&world, 60, &[], &["deploy", "-e", "local"]);
    ran.expect(0).says("verified");
    let drawn: Vec<_> = ran.stdout.split("\r\u{1b}[2K").skip(1).collect();
    let lines: Vec<_> =
        drawn.iter().filter(|line| line.contains("◓ wait") || line.contains("◐ wait")).collect();
    assert!(lines.len() > 2, "the line was drawn {} times: {}", lines.len(), ran.stdout);
    for line in &drawn {
        let shown = line.lines().next().unwrap_or_default().chars().count();
        assert!(!line.contains(" wait ") || shown < 60 || line.contains('✓'), "{line:?}");
    }
    assert!(ran.stdout.contains("too few runs yet"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("still waiting"), "{}", ran.stdout);
}

#[test]
fn a_terminal_that_cannot_draw_gets_lines() {
    let (_space, world) = world();
    for variables in [[("TERM", "dumb")], [("WINDLASS_NO_PROGRESS", "1")]] {
        let ran = on_a_terminal(&world, 80, &variables, &["deploy", "-e", "local"]);
        ran.expect(0).says("verified");
        assert!(!ran.stdout.contains("\u{1b}[2K"), "{variables:?}: {:?}", ran.stdout);
    }
    let ran = on_a_terminal(&world, 80, &[("NO_COLOR", "1")], &["deploy", "-e", "nowhere"]);
    ran.expect(2);
    let colours = ran.stdout.replace("\u{1b}[2K", "");
    assert!(!colours.contains('\u{1b}'), "{colours:?}");
}

#[test]
fn a_screen_reader_hears_words_and_no_signs() {
    let (_space, world) = world();
    let ran = world.windlass(&["--screen-reader", "deploy", "-e", "local"]);
    ran.expect(0).says("good: gate").says("verified to local");
    let signs = ['✓', '✗', '◐', '◓', '⏸', '→', '…', '↩'];
    assert!(!ran.text().contains(signs), "{}", ran.text());
}

#[test]
fn github_actions_folds_stages_and_marks_what_failed_in_its_file() {
    let (_space, world) = world();
    let summary = world.data_dir().with_file_name("summary.md");
    let in_actions = |arguments: &[&str]| {
        let mut program = world.program();
        program.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
        Ran::of(program.args(arguments))
    };
    let good = in_actions(&["deploy", "-e", "local"]);
    good.expect(0).says("::group::✓ apply").says("+ create StatefulSet").says("::endgroup::");
    assert!(!good.text().contains("::error"), "{}", good.text());

    world.replace(STATEFUL_SET, "containerPort: 5432", "containerPort: 543200");
    world.commit("A port that is none");
    let bad = in_actions(&["deploy", "-e", "local"]);
    bad.expect(1).says(&format!("::error title=r-2 refused → local,file={STATEFUL_SET}::cannot apply"));
    assert_eq!(bad.text().matches("::error").count(), 1, "{}", bad.text());
    let summary = std::fs::read_to_string(summary).expect("a summary is written");
    assert!(summary.contains("| r-1 | local |") && summary.contains("| verified |"), "{summary}");
    assert!(
        summary.contains("| r-2 | local |") && summary.contains("<summary>r-2 refused</summary>"),
        "{summary}"
    );
}
