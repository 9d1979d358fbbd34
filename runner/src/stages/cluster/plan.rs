//! Plan: what the provider would do, and what the cluster would cost in a month.
//!
//! Takes: what the gate let pass. Gives: the plan, by digest, which is what an approval is of. Touches: nothing. May be repeated because a plan
//! only reads. On failure: the run is refused with the provider's reason, or tried later where the provider does not answer.

use std::fmt::Write as _;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_core::name::{ClusterName, Digest, ProviderName};
use windlass_core::provider::{ChangeVerb, ClusterChange, ClusterPlan, Money, Progress, Removal};
use windlass_core::run::{RunKind, Stage};

use crate::clusters::{Target, provider_stop};
use crate::run::Run;
use crate::stages::gate::{Gated, Preparation};
use crate::stop::{Cause, Stop, chain};

/// What the journal keeps of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Who would do it.
    pub provider: ProviderName,
    /// To which cluster.
    pub cluster: ClusterName,
    /// The plan and the configuration, by content.
    pub digest: Digest,
    /// What would change; nothing where the cluster is as wanted.
    pub changes: Vec<ClusterChange>,
    /// What the cluster costs in a month then, where the provider knows prices.
    pub monthly_cost: Option<Money>,
    /// What a removal would leave, with its price where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// A run about a cluster, ready to be admitted.
#[derive(Debug)]
pub struct Planned {
    pub gated: Gated,
    pub target: Target,
    pub record: PlanRecord,
}

impl Preparation for Planned {
    fn gated(&self) -> &Gated {
        &self.gated
    }

    fn digest(&self) -> &Digest {
        &self.record.digest
    }
}

/// Performs the stage.
pub async fn plan(run: &mut Run, gated: Gated) -> Result<Planned, Stop> {
    let target = run.engine.cluster_target(run.environment(), run.commit()).map_err(Stop::Refuse)?;
    let asked = target.clone();
    let kind = run.row().kind;
    let record =
        run.step(Stage::Plan, Value::Null, move |_| async move { look(&asked, kind).await }.boxed()).await?;
    Ok(Planned { gated, target, record })
}

/// Asks the provider what it would do.
pub async fn look(target: &Target, kind: RunKind) -> Result<PlanRecord, Stop> {
    let refused = |error| provider_stop(Cause::new("cluster_refused", chain(&error)), &error);
    if kind == RunKind::Removal {
        let removed = target.provider.remove(&target.spec.name, Removal::DryRun, &Silent).await;
        let removed = removed.map_err(refused)?;
        let change = |what| ClusterChange { verb: ChangeVerb::Remove, what };
        let changes = removed.removed.into_iter().map(change).collect();
        return Ok(PlanRecord::of(target, ClusterPlan { changes, monthly_cost: None }, removed.left));
    }
    let plan = target.provider.plan(&target.spec).await.map_err(refused)?;
    Ok(PlanRecord::of(target, plan, Vec::new()))
}

impl PlanRecord {
    fn of(target: &Target, plan: ClusterPlan, left: Vec<String>) -> Self {
        let (provider, cluster) = (target.provider.name().clone(), target.spec.name.clone());
        let content = json!({ "provider": provider, "cluster": cluster, "config": target.spec.config, "plan": plan, "left": left });
        let digest = Digest::of(content.to_string().as_bytes());
        Self { provider, cluster, digest, changes: plan.changes, monthly_cost: plan.monthly_cost, left }
    }

    /// In one line.
    pub fn in_words(&self) -> String {
        let verbs = [
            (ChangeVerb::Create, "to create"),
            (ChangeVerb::Change, "to change"),
            (ChangeVerb::Remove, "to remove"),
        ];
        let counts = verbs.iter().filter_map(|(verb, words)| {
            let count = self.changes.iter().filter(|change| change.verb == *verb).count();
            (count > 0).then(|| format!("{count} {words}"))
        });
        let counts: Vec<_> = counts.collect();
        let mut words = if counts.is_empty() { "nothing to change".to_owned() } else { counts.join(", ") };
        if !self.left.is_empty() {
            write!(words, ", {} left", self.left.len()).expect("writing to a string cannot fail");
        }
        if let Some(cost) = &self.monthly_cost {
            write!(words, "; {} a month", money(cost)).expect("writing to a string cannot fail");
        }
        format!("{}: {words}", self.cluster)
    }

    /// Change by change.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for change in &self.changes {
            let sign = match change.verb {
                ChangeVerb::Create => "+ create",
                ChangeVerb::Change => "~ change",
                ChangeVerb::Remove => "- remove",
            };
            writeln!(text, "  {sign} {}", change.what).expect("writing to a string cannot fail");
        }
        for left in &self.left {
            writeln!(text, "  ! left   {left}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// An amount as people write it: `12.05 EUR`.
pub fn money(amount: &Money) -> String {
    let sign = if amount.cents < 0 { "-" } else { "" };
    let cents = amount.cents.unsigned_abs();
    format!("{sign}{}.{:02} {}", cents / 100, cents % 100, amount.currency)
}

/// Hears nothing: what only reads has no progress to tell.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(verbs: &[ChangeVerb], cents: Option<i64>, left: &[&str]) -> PlanRecord {
        let change = |verb: &ChangeVerb| ClusterChange { verb: *verb, what: "server `dev-1`".to_owned() };
        PlanRecord {
            provider: "hetzner".parse().unwrap(),
            cluster: "hetzner-dev-cluster".parse().unwrap(),
            digest: Digest::of(b"plan"),
            changes: verbs.iter().map(change).collect(),
            monthly_cost: cents.map(|cents| Money { cents, currency: "EUR".to_owned() }),
            left: left.iter().map(|left| (*left).to_owned()).collect(),
        }
    }

    #[test]
    fn a_plan_is_told_in_one_line() {
        use ChangeVerb::{Change, Create, Remove};
        let check = |record: PlanRecord, expected: &str| {
            assert_eq!(record.in_words(), format!("hetzner-dev-cluster: {expected}"));
        };
        check(record(&[], None, &[]), "nothing to change");
        check(
            record(&[Create, Create, Change], Some(1205), &[]),
            "2 to create, 1 to change; 12.05 EUR a month",
        );
        check(record(&[Remove], None, &["volume, 0.44 EUR a month"]), "1 to remove, 1 left");
    }

    #[test]
    fn money_is_written_with_its_hundredths() {
        let of = |cents| money(&Money { cents, currency: "EUR".to_owned() });
        assert_eq!([of(0), of(5), of(120), of(-205)], ["0.00 EUR", "0.05 EUR", "1.20 EUR", "-2.05 EUR"]);
    }
}
