//! How many pods each replica set is asked for.

use std::cmp::Reverse;

use k8s_openapi::api::apps::v1::ReplicaSet;
use serde_json::json;

use super::revision::{DESIRED, MAXIMUM};
use super::{Rollout, created, replicas, sum};
use crate::controllers::view::{annotation, name_of};

impl Rollout {
    /// Whether the deployment's size was changed since its replica sets were last scaled.
    pub(super) fn was_resized(&self) -> bool {
        let active = self.all().filter(|set| replicas(set) > 0);
        let desired = active.filter_map(|set| annotation(set, DESIRED)?.parse::<i32>().ok());
        desired.into_iter().any(|desired| desired != self.wanted())
    }

    /// Shares the deployment's size among the active replica sets, in proportion to what they have.
    pub(super) fn distribute(&mut self) {
        if let Some(only) = self.active_or_latest() {
            self.scale(only, self.wanted());
            return;
        }
        if self.is_saturated() {
            for index in 0..self.old.len() {
                self.scale_old(index, 0);
            }
        } else if self.strategy() == "RollingUpdate" {
            for (place, count) in self.proportions() {
                self.resize(place, count);
            }
        }
    }

    /// The only replica set with pods, or the latest where none has any.
    fn active_or_latest(&self) -> Option<Place> {
        let active: Vec<Place> = self
            .places()
            .into_iter()
            .filter(|place| self.at(*place).is_some_and(|set| replicas(set) > 0))
            .collect();
        match active[..] {
            [] if self.new.is_some() => Some(Place::New),
            [] => self.old.len().checked_sub(1).map(Place::Old),
            [only] => Some(only),
            _ => None,
        }
    }

    fn is_saturated(&self) -> bool {
        let Some(new) = &self.new else { return false };
        let desired = annotation(new, DESIRED).and_then(|text| text.parse::<i32>().ok());
        let available = new.status.as_ref().and_then(|status| status.available_replicas).unwrap_or_default();
        let has_all = replicas(new) == self.wanted() && desired == Some(self.wanted());
        has_all && available == self.wanted()
    }

    fn proportions(&self) -> Vec<(Place, i32)> {
        let mut sets: Vec<(Place, &ReplicaSet)> =
            self.places().into_iter().filter_map(|place| Some((place, self.at(place)?))).collect();
        sets.retain(|(_, set)| replicas(set) > 0);
        let allowed = if self.wanted() > 0 { self.wanted() + self.max_surge() } else { 0 };
        let missing = allowed - sum(sets.iter().map(|(_, set)| *set), replicas);
        // The largest first; among equals the newer grow first and the older shrink first.
        sets.sort_by_key(|(_, set)| created(set));
        if missing > 0 {
            sets.reverse();
        }
        sets.sort_by_key(|(_, set)| Reverse(replicas(set)));
        let mut given = 0;
        let mut shares: Vec<(Place, i32)> = Vec::new();
        for (place, set) in sets {
            let more = if missing == 0 { 0 } else { self.proportion(set, missing, given) };
            given += more;
            shares.push((place, replicas(set) + more));
        }
        if let Some((_, first)) = shares.first_mut() {
            *first = (*first + missing - given).max(0);
        }
        shares
    }

    /// A replica set's share of the pods to come or to go, never more than are left.
    fn proportion(&self, set: &ReplicaSet, missing: i32, given: i32) -> i32 {
        let share = self.fraction(set);
        if missing > 0 { share.min(missing - given) } else { share.max(missing - given) }
    }

    /// By how much a replica set changes when the whole does; the whole is what it was before, as the set remembers it.
    fn fraction(&self, set: &ReplicaSet) -> i32 {
        let own = replicas(set);
        if self.wanted() == 0 {
            return -own;
        }
        let before =
            annotation(set, MAXIMUM).and_then(|text| text.parse::<i32>().ok()).filter(|count| *count > 0);
        let before = f64::from(before.unwrap_or_else(|| self.deployment_replicas()));
        let scaled = f64::from(own) * f64::from(self.wanted() + self.max_surge()) / before.max(1.0);
        #[expect(clippy::cast_possible_truncation, reason = "counts of pods are far below")]
        let scaled = scaled.round() as i32;
        scaled - own
    }

    fn deployment_replicas(&self) -> i32 {
        self.status().replicas.unwrap_or_default()
    }

    pub(super) fn scale_new(&mut self, count: i32) -> bool {
        self.scale(Place::New, count)
    }

    pub(super) fn scale_old(&mut self, index: usize, count: i32) -> bool {
        self.scale(Place::Old(index), count)
    }

    /// Asks a replica set for so many pods; false if it is asked for them already.
    fn scale(&mut self, place: Place, count: i32) -> bool {
        self.at(place).is_some_and(|set| replicas(set) != count) && self.resize(place, count)
    }

    /// The same, and notes the deployment's size on it.
    fn resize(&mut self, place: Place, count: i32) -> bool {
        let annotations = self.replica_annotations();
        let Some(set) = self.at(place) else { return false };
        let before = replicas(set);
        let is_noted = annotations.iter().all(|(key, value)| annotation(set, key) == Some(value));
        if before == count && is_noted {
            return false;
        }
        let merge = json!({ "spec": { "replicas": count }, "metadata": { "annotations": annotations } });
        let (set, name) = (set.clone(), name_of(set).to_owned());
        self.decision.change(&set, merge);
        if before != count {
            let direction = if before < count { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {name} from {before} to {count}");
            self.decision.tell(&self.deployment, "Normal", "ScalingReplicaSet", message);
        }
        if let Some(set) = self.at_mut(place) {
            set.spec.get_or_insert_default().replicas = Some(count);
            set.metadata.annotations.get_or_insert_default().extend(annotations);
        }
        before != count
    }

    fn places(&self) -> Vec<Place> {
        (0..self.old.len()).map(Place::Old).chain(self.new.iter().map(|_| Place::New)).collect()
    }

    fn at(&self, place: Place) -> Option<&ReplicaSet> {
        match place {
            Place::New => self.new.as_ref(),
            Place::Old(index) => self.old.get(index),
        }
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut ReplicaSet> {
        match place {
            Place::New => self.new.as_mut(),
            Place::Old(index) => self.old.get_mut(index),
        }
    }
}

/// Which of a deployment's replica sets is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    New,
    Old(usize),
}
