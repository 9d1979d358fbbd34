//! What every part of the runner works with: the store, the queue, the repository, the providers and the clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, watch};
use windlass_cluster::{Cluster, ClusterError};
use windlass_core::name::{ClusterName, Commit, EnvironmentName, ProviderName, RunId};
use windlass_core::policy::control::{DeployControl, EnvironmentPolicy};
use windlass_core::policy::gate::{
    Approval, ApprovalDecision, BarredCommit, HoldKind, HoldScope, PersonHold, WindowOverride,
};
use windlass_core::provider::Provider;
use windlass_kustomize::{Build, Options};
use windlass_store::{EmbeddedQueue, RunRow, Store, StoreError};

use crate::config::Config;
use crate::secrets::SecretSources;
use crate::sources::{Source, SourceError};
use crate::stages::render::RenderedObject;
use crate::stop::{Cause, Stop, chain, cluster_cause};
use crate::variables::Variables;

/// The policy's file, below the configured `infra` folder.
pub const CONTROL_FILE: &str = "deploy-control.yaml";

/// Policies that are kept parsed: those of the commits that are being worked on.
const CONTROLS_KEPT: usize = 64;

/// How long a failure of the store is believed in without another. Longer than the waits between tries of those who go on trying.
const STORE_DOUBT: SignedDuration = SignedDuration::from_mins(1);

/// Says what time it is. The tests of time-dependent behaviour bring their own.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What the runner works with.
#[derive(Debug)]
pub struct Engine {
    pub store: Store,
    pub queue: EmbeddedQueue,
    pub config: Config,
    pub source: Source,
    providers: BTreeMap<ProviderName, Arc<dyn Provider>>,
    clock: Arc<dyn Clock>,
    controls: Mutex<HashMap<Commit, Arc<DeployControl>>>,
    live: broadcast::Sender<Live>,
    halted: watch::Sender<bool>,
    store_failed: Mutex<Option<Timestamp>>,
}

/// What a run is doing right now: for whoever watches in the same process; never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Which run.
    pub run: RunId,
    /// What it waits for, in words; none when a stage has just ended.
    pub waiting_on: Option<String>,
}

/// What people decided about a run and its environment.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    pub barred: Vec<BarredCommit>,
    pub holds: Vec<PersonHold>,
    pub window_override: Option<WindowOverride>,
    pub approvals: Vec<Approval>,
}

impl Engine {
    /// Opens the data directory and the repository that the configuration names.
    pub async fn open(
        config: Config,
        providers: Vec<Arc<dyn Provider>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Cause> {
        let source = Source::open(&config.repository, &config.infra).map_err(|error| source_cause(&error))?;
        let store = Store::open(&config.state_folder(&Variables::Process)?).await?;
        let queue = EmbeddedQueue::new(store.clone())?;
        let providers = providers.into_iter().map(|provider| (provider.name().clone(), provider)).collect();
        let (live, _) = broadcast::channel(256);
        let (halted, controls) = (watch::Sender::new(false), Mutex::default());
        let store_failed = Mutex::default();
        Ok(Self { store, queue, config, source, providers, clock, controls, live, halted, store_failed })
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number in 0..1 to spread retries; it decides nothing else, so the clock's last digits will do.
    pub fn jitter(&self) -> f64 {
        f64::from(self.clock.now().subsec_microsecond().unsigned_abs()) / 1000.0
    }

    /// Hears what runs of this process are doing.
    pub fn watch_live(&self) -> broadcast::Receiver<Live> {
        self.live.subscribe()
    }

    /// Tells whoever watches. Nobody may.
    pub fn announce(&self, run: RunId, waiting_on: Option<String>) {
        let _ = self.live.send(Live { run, waiting_on });
    }

    /// Tells whether the store takes what is written.
    pub(crate) fn tell_store(&self, works: bool) {
        *self.store_failed.lock().unwrap_or_else(PoisonError::into_inner) = (!works).then(|| self.now());
    }

    /// Whether the store took what was written last, as far as this process was told. A failure counts for a minute: who is not ready is sent
    /// nothing that could be written, and would never learn that there is room again.
    pub fn is_store_working(&self) -> bool {
        let failed = *self.store_failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|failed| self.now().duration_since(failed) >= STORE_DOUBT)
    }

    /// Lets the runs of this process stop at the end of the stage they are in.
    pub fn halt(&self) {
        self.halted.send_replace(true);
    }

    /// Whether runs of this process may begin no further stage.
    pub fn is_halted(&self) -> bool {
        *self.halted.borrow()
    }

    /// Ends when [`Engine::halt`] is called: for what only looks, and need not be finished.
    pub fn until_halted(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut halted = self.halted.subscribe();
        async move {
            // The engine lives as long as its runs do.
            let _ = halted.wait_for(|halted| *halted).await;
        }
    }

    /// The policy as of a commit.
    pub fn control(&self, commit: &Commit) -> Result<Arc<DeployControl>, Cause> {
        if let Some(known) = self.controls.lock().expect("no holder panics").get(commit) {
            return Ok(Arc::clone(known));
        }
        let path = format!("{}/{CONTROL_FILE}", self.source.infra());
        let control = Arc::new(self.read_control(commit, &path)?);
        let mut kept = self.controls.lock().expect("no holder panics");
        if kept.len() >= CONTROLS_KEPT {
            kept.clear();
        }
        kept.insert(commit.clone(), Arc::clone(&control));
        Ok(control)
    }

    /// The policy as it is now: at the newest commit of the repository.
    pub fn present_control(&self) -> Result<Arc<DeployControl>, Cause> {
        let head = self.source.resolve(None).map_err(|error| source_cause(&error))?;
        self.control(&head)
    }

    fn read_control(&self, commit: &Commit, path: &str) -> Result<DeployControl, Cause> {
        let tree = self.source.tree(commit).map_err(|error| source_cause(&error))?;
        let bytes = tree.file(path).map_err(|error| source_cause(&error))?.ok_or_else(|| {
            Cause::new("policy_missing", format!("there is no `{path}` at `{}`", commit.short()))
                .with_hint("it says when and how each environment is deployed: see `windlass check`")
        })?;
        let text = String::from_utf8(bytes.to_vec())
            .map_err(|_| Cause::new("policy_invalid", format!("`{path}` is not UTF-8")))?;
        DeployControl::parse(path, &text).map_err(|problems| Cause::new("policy_invalid", problems.render()))
    }

    /// The overlay's folder, and the provider whose it is.
    pub fn overlay(
        &self,
        environment: &EnvironmentName,
        policy: &EnvironmentPolicy,
        commit: &Commit,
    ) -> Result<(ProviderName, String), Cause> {
        let root = format!("{}/k8s", self.source.infra());
        let having = match &policy.provider {
            Some(provider) => vec![provider.value.clone()],
            None => self.providers_of(environment, commit)?,
        };
        match having.as_slice() {
            [provider] => Ok((provider.clone(), format!("{root}/{provider}/{environment}"))),
            [] => Err(Cause::new("overlay_missing", format!("no folder `{root}/<provider>/{environment}` exists at `{}`", commit.short()))
                .with_hint(format!("make `{root}/<provider>/{environment}/kustomization.yaml`, or take `{environment}` out of the policy"))),
            several => Err(Cause::new(
                "overlay_ambiguous",
                format!("several providers have `{environment}`: {}", several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            )
            .with_hint(format!("say which: `environments.{environment}.provider: {}` in {CONTROL_FILE}", several[0]))),
        }
    }

    /// Renders an environment's overlay at a commit.
    pub fn build(
        &self,
        environment: &EnvironmentName,
        policy: &EnvironmentPolicy,
        commit: &Commit,
        options: &Options,
    ) -> Result<Build, Cause> {
        let (_, overlay) = self.overlay(environment, policy, commit)?;
        let tree = self.source.tree(commit).map_err(|error| source_cause(&error))?;
        windlass_kustomize::build(&tree, &overlay, options).map_err(|error| render_cause(&error))
    }

    /// The objects of an environment's overlay at a commit, each with the files that made it.
    pub fn render(
        &self,
        environment: &EnvironmentName,
        policy: &EnvironmentPolicy,
        commit: &Commit,
    ) -> Result<Vec<RenderedObject>, Cause> {
        Ok(self
            .build(environment, policy, commit, &Options::default())?
            .objects
            .iter()
            .map(|object| RenderedObject {
                object: object.to_json(),
                files: object.files().iter().cloned().collect(),
            })
            .collect())
    }

    /// The cluster of an environment: through the kubeconfig that the configuration names for it, else through the provider of its overlay.
    pub async fn connect(&self, environment: &EnvironmentName, commit: &Commit) -> Result<Cluster, Stop> {
        let (provider, cluster) = self.provider_of(environment, commit).map_err(Stop::Refuse)?;
        let kubeconfig = self.kubeconfig(environment, provider.as_ref(), &cluster).await?;
        let named = if cluster.as_str() == environment.as_str() {
            format!("the cluster of `{environment}`")
        } else {
            format!("cluster `{cluster}` of `{environment}`")
        };
        let connected = Cluster::connect(&kubeconfig).await.map_err(|error| error.naming_cluster(&named));
        connected.map_err(|error| self.way_stop(environment, &error))
    }

    /// What becomes of a run that does not get into its cluster, with the command by which a person sees the same.
    fn way_stop(&self, environment: &EnvironmentName, error: &ClusterError) -> Stop {
        let cause = self.with_way(environment, cluster_cause(error));
        Stop::of(cause, error.class())
    }

    /// Puts the command that tries the way into an environment's cluster in the place of general advice, where the way is what is wrong.
    pub fn with_way(&self, environment: &EnvironmentName, mut cause: Cause) -> Cause {
        let kubectl = self.kubectl(environment).unwrap_or_else(|| "kubectl".to_owned());
        let advice = match cause.code.as_str() {
            "unreachable" => format!("see whether it answers: `{kubectl} version`"),
            "untrusted_certificate" => {
                format!("get the cluster's kubeconfig anew, and try it: `{kubectl} version`")
            }
            "unauthorised" => format!(
                "the credentials are wrong or have expired: get new ones, and try them with `{kubectl} auth whoami`"
            ),
            _ => return cause,
        };
        let doctor = format!("look at every part of the way: `windlass doctor -e {environment}`");
        cause.hints = vec![advice, doctor];
        cause
    }

    /// `kubectl` with the kubeconfig and the context that the configuration names for an environment.
    fn kubectl(&self, environment: &EnvironmentName) -> Option<String> {
        let cluster: ClusterName = environment.as_str().parse().expect("an environment's name is a label");
        let access = self.config.clusters.get(&cluster)?;
        let file = access.kubeconfig.as_ref().map(|file| format!(" --kubeconfig {}", file.display()));
        let context = access.context.as_ref().map(|context| format!(" --context {context}"));
        Some(format!("kubectl{}{}", file.unwrap_or_default(), context.unwrap_or_default()))
    }

    fn provider_of(
        &self,
        environment: &EnvironmentName,
        commit: &Commit,
    ) -> Result<(Arc<dyn Provider>, ClusterName), Cause> {
        let cluster: ClusterName = environment.as_str().parse().expect("an environment's name is a label");
        if self.config.clusters.contains_key(&cluster) {
            let provider = self
                .providers
                .get(&kubeconfig_provider())
                .expect("the kubeconfig provider is always built in");
            return Ok((Arc::clone(provider), cluster));
        }
        let control = self.control(commit)?;
        let policy = control
            .environments
            .get(environment)
            .ok_or_else(|| crate::stages::gate::unknown_environment(&control, environment.as_str()))?;
        let (name, _) = self.overlay(environment, policy, commit)?;
        let provider = self.providers.get(&name).ok_or_else(|| {
            Cause::new("cluster_unknown", format!("nothing says how to reach the cluster of `{environment}`: no provider `{name}` is built in"))
                .with_hint(format!("name a kubeconfig in windlass.toml: `[clusters.{environment}]` with `kubeconfig = \"FILE\"`"))
        })?;
        let cluster = format!("{name}-{environment}-cluster").parse().expect("names of labels make a label");
        Ok((Arc::clone(provider), cluster))
    }

    /// Where the values of an environment's secrets come from.
    pub fn secret_sources(&self, environment: &EnvironmentName) -> SecretSources {
        SecretSources::from_config(&self.config.secrets, environment, &Variables::Process)
    }

    /// What stands in a manifest where a value belongs.
    pub fn placeholder(&self) -> &str {
        &self.config.secrets.placeholder
    }

    /// What people decided about a run and its environment.
    pub async fn decisions(&self, run: &RunRow) -> Result<Decisions, StoreError> {
        let approvals = self.store.approvals(run.id).await?.into_iter().map(approval).collect();
        let window_override = run.window_override.clone();
        let window_override = window_override.map(|given| WindowOverride {
            who: given.by,
            reason: given.reason,
            permitted: true,
            until: None,
        });
        Ok(Decisions { window_override, approvals, ..self.decisions_about(&run.environment).await? })
    }

    /// What people decided about an environment, apart from any run.
    pub async fn decisions_about(&self, environment: &EnvironmentName) -> Result<Decisions, StoreError> {
        let (row, bars) = (self.store.environment(environment).await?, self.store.bars(environment).await?);
        let barred =
            bars.into_iter().map(|bar| BarredCommit { commit: bar.commit, reason: bar.reason }).collect();
        let hold = |kind, who: String, reason, until| PersonHold {
            kind,
            scope: HoldScope::Environment(environment.clone()),
            who,
            reason,
            until,
        };
        let freeze = row.frozen.map(|freeze| hold(freeze.kind, freeze.by, freeze.reason, freeze.until));
        // A stuck environment takes no automatic run; a person may still deploy the mend.
        let attention = row.attention.map(|text| hold(HoldKind::Pause, "windlass".to_owned(), text, None));
        Ok(Decisions { barred, holds: freeze.into_iter().chain(attention).collect(), ..Decisions::default() })
    }

    /// Every file that the render of an environment reads, or looks for in vain. A render that fails is one that a change may mend.
    pub fn files_read(
        &self,
        environment: &EnvironmentName,
        policy: &EnvironmentPolicy,
        commit: &Commit,
    ) -> BTreeSet<String> {
        let Ok((_, overlay)) = self.overlay(environment, policy, commit) else { return BTreeSet::new() };
        let Ok(tree) = self.source.tree(commit) else { return BTreeSet::new() };
        match windlass_kustomize::build(&tree, &overlay, &Options::default()) {
            Ok(build) => build.files,
            Err(error) => error.files().clone(),
        }
    }

    /// The provider of a name, if it is built in.
    pub fn provider(&self, name: &ProviderName) -> Option<&Arc<dyn Provider>> {
        self.providers.get(name)
    }

    /// The providers that make clusters.
    pub fn providers_that_create(&self) -> Vec<String> {
        self.providers
            .values()
            .filter(|provider| provider.capabilities().create)
            .map(|provider| provider.name().to_string())
            .collect()
    }

    /// The provider folders that have an overlay of an environment.
    fn providers_of(
        &self,
        environment: &EnvironmentName,
        commit: &Commit,
    ) -> Result<Vec<ProviderName>, Cause> {
        let (tree, root) = (
            self.source.tree(commit).map_err(|error| source_cause(&error))?,
            format!("{}/k8s", self.source.infra()),
        );
        let folders = tree.folder(&root).map_err(|error| source_cause(&error))?.unwrap_or_default();
        let has =
            |folder: &&String| matches!(tree.folder(&format!("{root}/{folder}/{environment}")), Ok(Some(_)));
        Ok(folders.iter().filter(has).filter_map(|folder| folder.parse().ok()).collect())
    }
}

/// The name under which the provider of existing clusters is registered.
fn kubeconfig_provider() -> ProviderName {
    "kubeconfig".parse().expect("a label")
}

/// Why the repository cannot be used.
pub fn source_cause(error: &SourceError) -> Cause {
    let mut cause = Cause::new("source_unusable", chain(error));
    cause.hints.extend(error.hint());
    cause
}

/// Why an overlay does not render.
pub fn render_cause(error: &windlass_kustomize::Error) -> Cause {
    let mut cause = Cause::new("render_failed", chain(error));
    cause.hints.extend(error.hint());
    cause
}

fn approval(stored: windlass_store::Approval) -> Approval {
    let decision = match stored.decision {
        windlass_store::Decision::Approved => ApprovalDecision::Approved,
        windlass_store::Decision::Rejected => ApprovalDecision::Rejected,
    };
    Approval { approver: stored.approver, decision, digest: stored.digest }
}
