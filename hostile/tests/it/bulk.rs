//! A small share of the bulk run.

use alphapulse_hostile::bulk::{Attack, CHUNK_FRAMES, Outcome, Run};

#[test]
fn hostile_frames_have_the_expected_outcome() {
    let tally = Run { frames: 1_000_000, seed: 7, threads: 2 }.execute(|_| {});
    println!("{tally}");
    assert_eq!(tally.deviations(), 0, "{tally}");
    assert!(tally.frames() >= 1_000_000);
    let seldom = |outcome| tally.of_outcome(outcome) < 100;
    let outcomes = [
        Outcome::Decoded,
        Outcome::Incomplete,
        Outcome::MalformedLength,
        Outcome::MalformedBlockLength,
        Outcome::MalformedChecksum,
        Outcome::RefusedTooShort,
        Outcome::RefusedSchema,
        Outcome::RefusedTemplate,
        Outcome::RefusedField,
        Outcome::Applied,
        Outcome::MirrorGap,
        Outcome::MirrorRefused,
        Outcome::MirrorVoid,
    ];
    assert!(!outcomes.into_iter().any(seldom), "an outcome is hardly met:\n{tally}");
    assert!(tally.of_attack(Attack::Splice) > 10_000);
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads() {
    let run = |threads| Run { frames: 3 * CHUNK_FRAMES / 2, seed: 1, threads }.execute(|_| {}).to_string();
    assert_eq!(run(1), run(2));
}
