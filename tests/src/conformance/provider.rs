//! What [`Provider`] promises, one behaviour at a time.
//!
//! A provider says how to reach a backend that nobody else uses, and calls [`run_all`]. What a provider cannot do, by its
//! [`Capabilities`](windlass_core::provider::Capabilities), is not asked of it: one that makes no clusters must find [`Place::wanted`] there.
//!
//! ```no_run
//! use windlass_core::name::ClusterName;
//! use windlass_core::provider::{ClusterSpec, Provider};
//! use windlass_tests::conformance::provider::{Place, run_all};
//!
//! struct Mine {
//!     provider: Box<dyn Provider>,
//! }
//!
//! impl Place for Mine {
//!     fn provider(&self) -> &dyn Provider {
//!         self.provider.as_ref()
//!     }
//!
//!     fn wanted(&self) -> ClusterSpec {
//!         ClusterSpec { name: "mine-dev".parse().unwrap(), environment: "dev".parse().unwrap(), config: None }
//!     }
//!
//!     fn absent(&self) -> ClusterName {
//!         "nowhere".parse().unwrap()
//!     }
//!
//!     fn credentials(&self) -> Vec<String> {
//!         vec!["the token that it talks to the backend with".to_owned()]
//!     }
//! }
//!
//! # fn connect() -> Mine { loop {} }
//! async fn my_provider_keeps_the_contract() {
//!     run_all(async || connect()).await;
//! }
//! ```

#![expect(clippy::unwrap_used, reason = "a suite fails as tests do")]

use std::future::Future as _;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use serde_json::Value;
use windlass_core::name::ClusterName;
use windlass_core::provider::{
    ChangeVerb, ClusterSpec, Kubeconfig, Progress, Provider, ProviderError, Removal,
};

/// A backend that nobody else uses, and what to ask of it.
pub trait Place: Send + Sync {
    /// The provider under test.
    fn provider(&self) -> &dyn Provider;

    /// A cluster that the provider can make; one that is there, if it makes none.
    fn wanted(&self) -> ClusterSpec;

    /// A cluster that is not there.
    fn absent(&self) -> ClusterName;

    /// Texts that no error, plan, progress line or `Debug` may show.
    fn credentials(&self) -> Vec<String>;
}

/// Runs every case, each on a place of its own.
pub async fn run_all<P: Place>(fresh: impl AsyncFn() -> P) {
    macro_rules! run {
        ($($case:ident)*) => { $( $case(&fresh().await).await; )* };
    }
    run! {
        it_is_the_same_each_time_it_is_asked
        a_plan_only_reads
        what_is_ensured_is_as_planned
        ensuring_twice_writes_once
        ensuring_goes_on_after_it_was_dropped_anywhere
        a_kubeconfig_stands_for_itself
        an_absent_cluster_has_no_kubeconfig
        removing_what_is_absent_removes_nothing
        a_dry_run_of_a_removal_only_reads
        what_was_made_is_removed
        what_was_not_made_stays
        progress_is_told_in_lines
        credentials_are_not_shown
    }
}

/// Name and capabilities are facts about the provider and not about the moment.
pub async fn it_is_the_same_each_time_it_is_asked(place: &impl Place) {
    let provider = place.provider();
    let (name, capabilities) = (provider.name().clone(), provider.capabilities());
    let _ = provider.plan(&place.wanted()).await;
    assert_eq!((provider.name(), provider.capabilities()), (&name, capabilities));
}

/// Planning twice answers the same, and makes no cluster.
pub async fn a_plan_only_reads(place: &impl Place) {
    let provider = place.provider();
    let first = provider.plan(&place.wanted()).await.unwrap();
    assert_eq!(provider.plan(&place.wanted()).await.unwrap(), first);
    if provider.capabilities().create {
        let verbs: Vec<ChangeVerb> = first.changes.iter().map(|change| change.verb).collect();
        assert!(
            verbs.contains(&ChangeVerb::Create),
            "a plan for a cluster that is not there creates: {first:?}"
        );
        assert!(provider.connect(&place.wanted().name).await.is_err(), "a plan must not make the cluster");
    } else {
        assert_eq!(first.changes, [], "a provider that makes nothing plans nothing");
    }
}

/// After `ensure` the plan is empty, and the cluster is the one that was wanted.
pub async fn what_is_ensured_is_as_planned(place: &impl Place) {
    let provider = place.provider();
    let cluster = provider.ensure(&place.wanted(), &Silent).await.unwrap();
    assert_eq!(cluster.name, place.wanted().name);
    if !provider.capabilities().create {
        assert_eq!(cluster.writes, 0, "a provider that makes nothing writes nothing");
    }
    assert_eq!(provider.plan(&place.wanted()).await.unwrap().changes, []);
    clean_up(place).await;
}

/// A converged `ensure` writes nothing.
pub async fn ensuring_twice_writes_once(place: &impl Place) {
    let provider = place.provider();
    let first = provider.ensure(&place.wanted(), &Silent).await.unwrap();
    let second = provider.ensure(&place.wanted(), &Silent).await.unwrap();
    assert_eq!(second.writes, 0);
    assert_eq!((second.name, second.version), (first.name, first.version));
    clean_up(place).await;
}

/// An `ensure` that was dropped at any of its reports is finished by the next one, without doubles: the plan is empty then, and one `remove`
/// takes everything away.
pub async fn ensuring_goes_on_after_it_was_dropped_anywhere(place: &impl Place) {
    let provider = place.provider();
    if !provider.capabilities().create {
        return;
    }
    let whole = Counted::default();
    provider.ensure(&place.wanted(), &whole).await.unwrap();
    clean_up(place).await;
    for last in 1..=whole.count() {
        drop_after(place, last).await;
        provider.ensure(&place.wanted(), &Silent).await.unwrap();
        assert_eq!(provider.plan(&place.wanted()).await.unwrap().changes, [], "dropped at report {last}");
        clean_up(place).await;
        assert!(
            provider.connect(&place.wanted().name).await.is_err(),
            "dropped at report {last}, something is left"
        );
    }
}

/// A kubeconfig has one context and names no program and no file.
pub async fn a_kubeconfig_stands_for_itself(place: &impl Place) {
    let provider = place.provider();
    provider.ensure(&place.wanted(), &Silent).await.unwrap();
    let kubeconfig = provider.connect(&place.wanted().name).await.unwrap();
    check_kubeconfig(&kubeconfig);
    let again = provider.connect(&place.wanted().name).await.unwrap();
    check_kubeconfig(&again);
    clean_up(place).await;
}

/// Connecting to a cluster that is not there is an error that names it.
pub async fn an_absent_cluster_has_no_kubeconfig(place: &impl Place) {
    let error = place.provider().connect(&place.absent()).await.unwrap_err();
    assert!(everything(&error).contains(place.absent().as_str()), "{error:?} does not name the cluster");
}

/// Removing a cluster that is not there is done already.
pub async fn removing_what_is_absent_removes_nothing(place: &impl Place) {
    let removed = place.provider().remove(&place.absent(), Removal::Final, &Silent).await.unwrap();
    assert_eq!(removed.removed, Vec::<String>::new());
}

/// A dry run tells what would be removed, and what is told is removed then. A cluster that is not there has nothing to tell.
pub async fn a_dry_run_of_a_removal_only_reads(place: &impl Place) {
    let provider = place.provider();
    let absent = provider.remove(&place.absent(), Removal::DryRun, &Silent).await.unwrap();
    assert_eq!(absent.removed, Vec::<String>::new());
    provider.ensure(&place.wanted(), &Silent).await.unwrap();
    let name = place.wanted().name;
    let told = provider.remove(&name, Removal::DryRun, &Silent).await.unwrap();
    assert_eq!(provider.remove(&name, Removal::DryRun, &Silent).await.unwrap(), told);
    provider.connect(&name).await.expect("a dry run leaves the cluster alone");
    let done = provider.remove(&name, Removal::Final, &Silent).await.unwrap();
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    assert_eq!(sorted(done.removed), sorted(told.removed), "what a dry run tells is what is removed");
}

/// A cluster that was made can be removed, and removed again.
pub async fn what_was_made_is_removed(place: &impl Place) {
    let provider = place.provider();
    if !provider.capabilities().create {
        return;
    }
    provider.ensure(&place.wanted(), &Silent).await.unwrap();
    let removed = provider.remove(&place.wanted().name, Removal::Final, &Silent).await.unwrap();
    assert_ne!(removed.removed, Vec::<String>::new());
    assert!(provider.connect(&place.wanted().name).await.is_err(), "the cluster is still there");
    let again = provider.remove(&place.wanted().name, Removal::Final, &Silent).await.unwrap();
    assert_eq!(again.removed, Vec::<String>::new());
}

/// A provider that makes no clusters removes none, and says what it left.
pub async fn what_was_not_made_stays(place: &impl Place) {
    let provider = place.provider();
    if provider.capabilities().create {
        return;
    }
    let removed = provider.remove(&place.wanted().name, Removal::Final, &Silent).await.unwrap();
    assert_eq!(removed.removed, Vec::<String>::new());
    assert_ne!(removed.left, Vec::<String>::new(), "what stays is said");
    provider.connect(&place.wanted().name).await.unwrap();
}

/// Progress is told in single lines without a full stop.
pub async fn progress_is_told_in_lines(place: &impl Place) {
    let heard = Heard::default();
    place.provider().ensure(&place.wanted(), &heard).await.unwrap();
    place.provider().remove(&place.wanted().name, Removal::Final, &heard).await.unwrap();
    for line in heard.0.into_inner().unwrap() {
        assert!(!line.is_empty() && !line.contains('\n') && !line.ends_with('.'), "{line:?}");
    }
}

/// No credential shows in what people or logs see.
pub async fn credentials_are_not_shown(place: &impl Place) {
    let provider = place.provider();
    let heard = Heard::default();
    let mut shown = vec![
        format!("{provider:?}"),
        format!("{:?}", provider.plan(&place.wanted()).await.unwrap()),
        format!("{:?}", provider.ensure(&place.wanted(), &heard).await.unwrap()),
    ];
    let kubeconfig = provider.connect(&place.wanted().name).await.unwrap();
    shown.push(format!("{kubeconfig:?}"));
    shown.push(everything(&provider.connect(&place.absent()).await.unwrap_err()));
    let broken = ClusterSpec { config: Some("{ not: [a config".to_owned()), ..place.wanted() };
    if let Err(error) = provider.plan(&broken).await {
        shown.push(everything(&error));
    }
    shown.push(format!("{:?}", provider.remove(&place.wanted().name, Removal::Final, &heard).await.unwrap()));
    shown.extend(heard.0.into_inner().unwrap());
    let shown = shown.join("\n");
    for credential in place.credentials().into_iter().chain(credentials_in(&kubeconfig)) {
        assert!(!shown.contains(&credential), "a credential is shown in: {shown}");
    }
}

/// Message, hint, causes and `Debug` of an error.
fn everything(error: &ProviderError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    format!("{error} {error:?} {} {}", error.hint.as_deref().unwrap_or_default(), causes.join(" "))
}

/// Removes what a case has made.
async fn clean_up(place: &impl Place) {
    place.provider().remove(&place.wanted().name, Removal::Final, &Silent).await.unwrap();
}

/// Ensures, and drops the future as soon as it has reported so often.
async fn drop_after(place: &impl Place, reports: usize) {
    let counted = Counted::default();
    let wanted = place.wanted();
    let mut ensured = pin!(place.provider().ensure(&wanted, &counted));
    std::future::poll_fn(|context| match ensured.as_mut().poll(context) {
        Poll::Pending if counted.count() < reports => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

fn read(kubeconfig: &Kubeconfig) -> Value {
    serde_saphyr::from_str(kubeconfig.expose()).expect("a kubeconfig is YAML")
}

fn check_kubeconfig(kubeconfig: &Kubeconfig) {
    let value = read(kubeconfig);
    for list in ["clusters", "contexts", "users"] {
        assert_eq!(value[list].as_array().map(Vec::len), Some(1), "a kubeconfig has one entry in `{list}`");
    }
    assert_eq!(value["current-context"], value["contexts"][0]["name"]);
    let context = &value["contexts"][0]["context"];
    assert_eq!(context["cluster"], value["clusters"][0]["name"]);
    assert_eq!(context["user"], value["users"][0]["name"]);
    let (cluster, user) = (&value["clusters"][0]["cluster"], &value["users"][0]["user"]);
    assert!(cluster["server"].is_string(), "a kubeconfig names its server");
    for field in ["certificate-authority", "proxy-url"] {
        assert!(cluster[field].is_null(), "`{field}` reaches outside of the kubeconfig");
    }
    for field in ["exec", "auth-provider", "tokenFile", "client-certificate", "client-key"] {
        assert!(user[field].is_null(), "`{field}` reaches outside of the kubeconfig");
    }
}

/// The secrets of a kubeconfig.
fn credentials_in(kubeconfig: &Kubeconfig) -> Vec<String> {
    let value = read(kubeconfig);
    let user = &value["users"][0]["user"];
    let fields = ["token", "password", "client-key-data"];
    fields.iter().filter_map(|field| user[field].as_str()).map(str::to_owned).collect()
}

/// Hears nothing.
struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str) {}
}

/// Counts the reports.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Counted {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Progress for Counted {
    fn report(&self, _: &str) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Keeps the reports.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn report(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}
