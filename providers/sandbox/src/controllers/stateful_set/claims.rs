//! The volume claims of a stateful set's pods.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::json;

use super::Work;
use crate::controllers::decision::Told;
use crate::controllers::view::{controller_reference, is_deleted, name_of, namespace_of, uid_of};

impl Work<'_> {
    /// Gives a pod a volume for each claim template, in place of any of the same name.
    pub(super) fn add_volumes(&self, pod: &mut Pod) {
        let templates = self.spec().volume_claim_templates.iter().flatten();
        let mut volumes: Vec<Volume> = templates
            .map(|template| Volume {
                name: name_of(template).to_owned(),
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: claim_name(template, pod),
                    read_only: None,
                }),
                ..Volume::default()
            })
            .collect();
        let Some(spec) = &mut pod.spec else { return };
        let others = spec.volumes.take().into_iter().flatten();
        let others: Vec<_> =
            others.filter(|one| volumes.iter().all(|claimed| claimed.name != one.name)).collect();
        volumes.extend(others);
        spec.volumes = Some(volumes).filter(|volumes| !volumes.is_empty());
    }

    /// Makes the claims of a pod that are missing. False while one of them is being deleted.
    pub(super) fn create_claims(&mut self, pod: &Pod) -> bool {
        let mut all_stay = true;
        for claim in self.claims(pod) {
            if let Some(found) =
                self.view.find::<PersistentVolumeClaim>(namespace_of(&claim), name_of(&claim))
            {
                all_stay &= !is_deleted(&found);
            } else {
                let told = self.told_of_claim(&claim, pod);
                self.decision.create(&claim, Some(told));
            }
        }
        all_stay
    }

    fn told_of_claim(&self, claim: &PersistentVolumeClaim, pod: &Pod) -> Told {
        let (set, pod, claim) = (name_of(&self.set), name_of(pod), name_of(claim));
        let refused =
            format!("create Claim {claim} for Pod {pod} in StatefulSet {set} failed error: {{error}}");
        Told::about(&self.set)
            .done("SuccessfulCreate", format!("create Claim {claim} Pod {pod} in StatefulSet {set} success"))
            .refused("FailedCreate", refused)
    }

    fn claims(&self, pod: &Pod) -> Vec<PersistentVolumeClaim> {
        let templates = self.spec().volume_claim_templates.iter().flatten();
        let claims = templates.map(|template| {
            let mut labels = template.metadata.labels.clone().unwrap_or_default();
            labels.extend(self.spec().selector.match_labels.clone().unwrap_or_default());
            PersistentVolumeClaim {
                metadata: ObjectMeta {
                    name: Some(claim_name(template, pod)),
                    namespace: Some(namespace_of(&self.set).to_owned()),
                    labels: Some(labels).filter(|labels| !labels.is_empty()),
                    annotations: template.metadata.annotations.clone(),
                    owner_references: self.owner_of_claims(None).map(|owner| vec![owner]),
                    ..ObjectMeta::default()
                },
                spec: template.spec.clone(),
                status: None,
            }
        });
        claims.collect()
    }

    /// Lets a pod's claims go with the set or with the pod, as `persistentVolumeClaimRetentionPolicy` says.
    pub(super) fn keep_claims(&mut self, pod: &Pod, is_condemned: bool) {
        let owner = self.owner_of_claims(Some(pod).filter(|_| is_condemned));
        for wanted in self.claims(pod) {
            let Some(claim) =
                self.view.find::<PersistentVolumeClaim>(namespace_of(&wanted), name_of(&wanted))
            else {
                continue;
            };
            let before = claim.metadata.owner_references.clone().unwrap_or_default();
            let is_ours = |one: &&OwnerReference| one.uid == uid_of(&self.set) || one.uid == uid_of(pod);
            let ours: Vec<_> = before.iter().filter(is_ours).collect();
            if ours.iter().map(|one| &one.uid).eq(owner.iter().map(|one| &one.uid)) {
                continue;
            }
            let others = before.iter().filter(|one| !is_ours(one));
            let references: Vec<_> = others.chain(&owner).collect();
            self.decision.change(&claim, json!({ "metadata": { "ownerReferences": references } }));
        }
    }

    /// With whom a claim goes: with the pod that is condemned, with the set, or with nobody.
    fn owner_of_claims(&self, condemned: Option<&Pod>) -> Option<OwnerReference> {
        let policy = self.spec().persistent_volume_claim_retention_policy.as_ref()?;
        let deletes = |when: &Option<String>| when.as_deref() == Some("Delete");
        match condemned {
            Some(pod) if deletes(&policy.when_scaled) => Some(controller_reference(pod)),
            _ => deletes(&policy.when_deleted).then(|| controller_reference(&self.set)),
        }
    }
}

fn claim_name(template: &PersistentVolumeClaim, pod: &Pod) -> String {
    format!("{}-{}", name_of(template), name_of(pod))
}
