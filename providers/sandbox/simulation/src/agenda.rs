//! What is to happen, by time.

use std::collections::BTreeMap;

use crate::Moment;

/// Steps in the order of their moments, and of their entry when moments are equal.
#[derive(Debug)]
pub(crate) struct Agenda<S> {
    steps: BTreeMap<(Moment, u64), S>,
    entries: u64,
}

impl<S> Agenda<S> {
    pub(crate) fn new() -> Self {
        Self { steps: BTreeMap::new(), entries: 0 }
    }

    pub(crate) fn add(&mut self, at: Moment, step: S) {
        self.entries += 1;
        self.steps.insert((at, self.entries), step);
    }

    pub(crate) fn next(&self) -> Option<Moment> {
        self.steps.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<S> {
        self.steps.pop_first().map(|(_, step)| step)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(Moment, &S) -> bool) {
        self.steps.retain(|(at, _), step| keep(*at, step));
    }
}
