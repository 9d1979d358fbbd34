//! `demo`: tells the story of `crate::demo` through the same calls as `events send`, `approve` and `runs show`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass_core::name::{ClusterName, RunId};
use windlass_core::object::ObjectRef;
use windlass_core::provider::{ClusterSpec, Progress, Provider};
use windlass_store::Decision;

use super::args::{Demo, Follow};
use super::follow::{Followed, send, watch_run};
use super::signals::Signals;
use crate::builder::Plugins;
use crate::config::Config;
use crate::decide::{self, Said};
use crate::demo::{APPROVER, DemoFolder, Scene, Telling, Told, push};
use crate::engine::{Engine, SystemClock};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::skeleton::Origin;
use crate::stop::{Cause, Stop, chain};
use crate::view::{RunView, in_words};

/// Longer than a real cluster needs to pull the image and to start three databases.
const PATIENCE: Duration = Duration::from_mins(15);

/// What went well, and what comes next.
const SHOWN: &str =
    "a push was verified, prod waited for a second person, and a bad image was explained and rolled back.

Next, in a repository of your own
  windlass init      writes policy, overlays and windlass.toml
  windlass doctor    examines machine, clusters and secrets
  windlass explain   leads to a page for every error
";

/// A demo with its engine.
struct Stage<'a> {
    printer: Printer,
    engine: Arc<Engine>,
    folder: &'a DemoFolder,
    held: Option<RunId>,
}

/// `windlass demo`. Nothing of it is left on this machine, also when it is interrupted.
pub(super) async fn demo(printer: Printer, plugins: &Plugins, args: Demo) -> Result<Exit, Cause> {
    let (began, mut signals) = (Instant::now(), Signals::new()?);
    let origin = if args.kubeconfig.is_some() { Origin::Kubeconfig } else { Origin::Sandbox };
    let folder = DemoFolder::create(origin)?;
    let told = tokio::select! {
        biased;
        () = signals.next() => Ok(None),
        told = play(printer, plugins, &folder, origin, args.kubeconfig.as_deref()) => told.map(Some),
    };
    folder.remove()?;
    let Some(telling) = told? else {
        printer.say("stopped; the demo's folder is removed");
        if let Some(kubeconfig) = &args.kubeconfig {
            printer.say(&format!("remove what it made on the cluster: {}", removal(kubeconfig)));
        }
        return Ok(Exit::Interrupted);
    };
    printer.answer(&telling, || ending(&telling, began.elapsed()))?;
    Ok(if telling.ok { Exit::Ok } else { Exit::Error })
}

async fn play(
    printer: Printer,
    plugins: &Plugins,
    folder: &DemoFolder,
    origin: Origin,
    kubeconfig: Option<&Path>,
) -> Result<Telling, Cause> {
    let kubeconfig = kubeconfig.map(std::path::absolute).transpose()?;
    let config = folder.config(origin, kubeconfig.as_deref())?;
    let providers = plugins.providers(&config);
    if kubeconfig.is_none() {
        start_clusters(&providers, origin).await?;
    }
    let engine = Arc::new(open(config, providers).await?);
    if let Some(kubeconfig) = &kubeconfig {
        expect_room(&engine, folder, kubeconfig).await?;
    }
    let cluster = match &kubeconfig {
        Some(file) => format!("the cluster of `{}`", file.display()),
        None => {
            "a simulated cluster in this process: no container runs, nothing leaves this machine".to_owned()
        }
    };
    narrate(printer, &format!("A database in two environments, on {cluster}."))?;
    let mut stage = Stage { printer, engine, folder, held: None };
    let mut scenes = Vec::new();
    for (scene, number) in Scene::ALL.into_iter().zip(1..) {
        let told = stage.tell(scene, number).await?;
        let goes_on = told.ok;
        scenes.push(told);
        if !goes_on {
            break;
        }
    }
    Ok(Telling::of(cluster, scenes, kubeconfig.as_deref().map(removal)))
}

async fn open(config: Config, providers: Vec<Arc<dyn Provider>>) -> Result<Engine, Cause> {
    Engine::open(config, providers, Arc::new(SystemClock)).await
}

impl Stage<'_> {
    /// Lets a scene happen, shows it, and compares its end.
    async fn tell(&mut self, scene: Scene, number: usize) -> Result<Told, Cause> {
        let command = scene.command(self.held.map(|run| run.to_string()).as_deref());
        narrate(self.printer, &format!("\n{number}. {}\n$ {command}", scene.title()))?;
        let follow = Follow { timeout: Some(PATIENCE), detach: false };
        let DemoFolder { good, bad, .. } = self.folder;
        let followed = match scene {
            Scene::Push => self.send(&push("push-dev", "dev", None, good), &follow).await?,
            Scene::Hold => self.send(&push("push-main", "main", None, good), &follow).await?,
            Scene::BadImage => self.send(&push("push-dev-again", "dev", Some(good), bad), &follow).await?,
            Scene::Approve => {
                let run = self.held.expect("the scene before this one held a run");
                let (by, reason) = (APPROVER.to_owned(), Some("read the plan".to_owned()));
                let said = Said { by, decision: Decision::Approved, reason, about: None };
                decide::about_run(&self.engine, run, said).await?;
                watch_run(&self.engine, self.printer, run, follow.timeout).await?
            }
        };
        let run = the_run(followed);
        if let Ok(run) = &run {
            self.show(scene, run)?;
        }
        Ok(Told::of(scene, command, run))
    }

    async fn send(&self, event: &windlass_core::event::Event, follow: &Follow) -> Result<Followed, Cause> {
        send(&self.engine, self.printer, event, follow).await
    }

    /// Shows a run as the command would, and of one that is held why.
    fn show(&mut self, scene: Scene, run: &RunView) -> Result<(), Cause> {
        if scene != Scene::Hold {
            return narrate(self.printer, &run.conclusion());
        }
        self.held = Some(run.id);
        narrate(self.printer, &format!("$ windlass runs show {}\n{}", run.id, run.to_text()))
    }
}

/// The one run of a scene, or why there is none.
fn the_run(followed: Followed) -> Result<RunView, String> {
    match followed {
        Followed::Runs(mut views)
        | Followed::StillGoing(mut views)
        | Followed::Detached(mut views)
        | Followed::Interrupted { runs: mut views, .. } => {
            let several = views.len() > 1;
            let run = views.pop().ok_or("no run was made")?;
            if several { Err("more than one run was made".to_owned()) } else { Ok(run) }
        }
        Followed::Nothing(reason) => Err(reason),
        Followed::Queued => Err("nobody waited for the run".to_owned()),
    }
}

/// Starts the cluster of each environment.
async fn start_clusters(providers: &[Arc<dyn Provider>], origin: Origin) -> Result<(), Cause> {
    let name = origin.provider();
    let found = providers.iter().rev().find(|provider| provider.name().as_str() == name);
    let provider = found.ok_or_else(|| {
        Cause::new("cluster_unknown", format!("this windlass is built without the provider `{name}`"))
            .with_hint("tell the story on a cluster that exists: `windlass demo --kubeconfig ~/.kube/config`")
    })?;
    for environment in origin.environments() {
        let cluster: ClusterName =
            format!("{name}-{environment}-cluster").parse().expect("names of labels make a label");
        let environment = environment.parse().expect("an environment's name is a label");
        let want = ClusterSpec { name: cluster, environment, config: None };
        provider.ensure(&want, &Quiet).await.map_err(|error| Cause::new("cluster_unknown", chain(&error)))?;
    }
    Ok(())
}

/// Hears how a cluster starts, which takes no time that anybody waits for.
struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str) {}
}

/// Refuses a cluster that has what the demo would make: it may be somebody's.
async fn expect_room(engine: &Engine, folder: &DemoFolder, kubeconfig: &Path) -> Result<(), Cause> {
    let dev = "dev".parse().expect("it is a label");
    let cluster = engine.connect(&dev, &folder.good).await.map_err(Stop::into_cause)?;
    let object = |kind: &str, namespace: Option<&str>, name: &str| ObjectRef {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    let mut in_the_way = Vec::new();
    for environment in Origin::Kubeconfig.environments() {
        let home = Some(cluster.default_namespace());
        let wanted = [
            object("Namespace", None, &format!("shop-{environment}")),
            object("ConfigMap", home, &format!("windlass-{environment}")),
        ];
        for wanted in wanted {
            let found = cluster.get(&wanted).await.map_err(|error| Cause::new("io", chain(&error)))?;
            in_the_way.extend(found.map(|_| format!("{} `{}`", wanted.kind, wanted.name)));
        }
    }
    if in_the_way.is_empty() {
        return Ok(());
    }
    let text = format!("the cluster has what the demo would make: {}", in_the_way.join(", "));
    Err(Cause::new("already_there", text)
        .with_hint(format!("if an earlier demo left them, remove them: {}", removal(kubeconfig))))
}

/// Removes the namespaces with all that is in them, and windlass's own notes beside.
fn removal(kubeconfig: &Path) -> String {
    format!(
        "`kubectl --kubeconfig {} delete --ignore-not-found namespace/shop-dev namespace/shop-prod configmap/windlass-dev configmap/windlass-prod`",
        kubeconfig.display()
    )
}

/// What is told between the commands: part of the story in text, talk beside JSON.
fn narrate(printer: Printer, text: &str) -> Result<(), Cause> {
    if printer.is_json() {
        printer.say(text);
    } else {
        printer.tell(text)?;
    }
    Ok(())
}

fn ending(telling: &Telling, took: Duration) -> String {
    let took = in_words(took);
    let came_to = match telling.scenes.iter().find(|told| !told.ok) {
        Some(wrong) => format!(
            "✗ the demo went wrong after {took}: \"{}\" should have ended as {}, and came to: {}\n",
            wrong.title, wrong.expected, wrong.found
        ),
        None => format!("✓ told in {took}: {SHOWN}"),
    };
    let left = telling.remove.as_ref().map_or_else(
        || "Nothing is left behind.\n".to_owned(),
        |remove| {
            format!(
                "The cluster keeps the namespaces shop-dev and shop-prod. Remove all of it:\n  {}\nand, where no other windlass works on it, its salt: secret/windlass-key\n",
                remove.trim_matches('`')
            )
        },
    );
    format!("\n{came_to}\n{left}")
}
