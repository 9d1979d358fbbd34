//! The two strategies.

use super::{Rollout, available, replicas, sum};

impl Rollout {
    /// `RollingUpdate`: up as far as `maxSurge` goes, then down as far as `maxUnavailable` goes, one of them at a time.
    pub(super) fn roll(&mut self) {
        if !self.ensure_new() {
            return;
        }
        if !self.scale_new_up() && !self.scale_old_down() && self.is_complete(&self.status()) {
            self.clean_up();
        }
        self.sync_rollout_status();
    }

    /// `Recreate`: first everything old goes, then the new comes.
    pub(super) fn recreate(&mut self) {
        self.sync_revision();
        let active: Vec<usize> =
            (0..self.old.len()).filter(|index| replicas(&self.old[*index]) > 0).collect();
        if !active.is_empty() {
            for index in active {
                self.scale_old(index, 0);
            }
            return self.sync_rollout_status();
        }
        if self.has_old_pods {
            return self.sync_rollout_status();
        }
        if self.new.is_none() && !self.ensure_new() {
            return;
        }
        self.scale_new(self.wanted());
        if self.is_complete(&self.status()) {
            self.clean_up();
        }
        self.sync_rollout_status();
    }

    fn scale_new_up(&mut self) -> bool {
        let own = self.new.as_ref().map_or(0, replicas);
        if own > self.wanted() {
            return self.scale_new(self.wanted());
        }
        own < self.wanted() && self.scale_new(self.growth(own))
    }

    /// Takes pods from the old replica sets: first those that are not available anyway, then as many as can be spared.
    fn scale_old_down(&mut self) -> bool {
        if sum(&self.old, replicas) == 0 {
            return false;
        }
        let unavailable = self.new.as_ref().map_or(0, |new| replicas(new) - available(new));
        let limit = sum(self.all(), replicas) - self.min_available() - unavailable;
        if limit <= 0 {
            return false;
        }
        let sick = self.scale_sick_down(limit);
        let spare = sum(self.all(), available) - self.min_available();
        self.scale_spare_down(spare) || sick
    }

    fn scale_sick_down(&mut self, limit: i32) -> bool {
        let mut taken = 0;
        for index in 0..self.old.len() {
            let (own, available) = (replicas(&self.old[index]), available(&self.old[index]));
            let sick = (own - available).min(limit - taken);
            if own > 0 && sick > 0 {
                self.scale_old(index, own - sick);
                taken += sick;
            }
        }
        taken > 0
    }

    fn scale_spare_down(&mut self, spare: i32) -> bool {
        let mut taken = 0;
        for index in 0..self.old.len() {
            let own = replicas(&self.old[index]);
            let less = own.min(spare - taken);
            if less > 0 {
                self.scale_old(index, own - less);
                taken += less;
            }
        }
        taken > 0
    }
}
