//! `serve`: the worker and the HTTP API, until they are told to stop. `token new`: who may use it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::args::{NewToken, Serve};
use super::command::Context;
use crate::broker::Intake;
use crate::engine::Engine;
use crate::exit::Exit;
use crate::http::access::Access;
use crate::http::config::Listen;
use crate::http::github::GithubHook;
use crate::http::listen::{self, Limits};
use crate::http::{self, Api, token};
use crate::stop::Cause;
use crate::supervisor;
use crate::variables::Variables;
use crate::worker::{self, Until};

/// Takes events and carries runs. A stop finishes the requests and runs in hand first; a second one ends at once, which loses nothing.
pub(super) async fn serve(context: &Context, args: &Serve) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let Some(leadership) = engine.store.try_lead(engine.now()).await? else {
        return Err(Cause::new(
            "already_serving",
            format!("another windlass works on `{}`", engine.store.dir().display()),
        )
        .with_hint("stop it, or give this one a directory of its own: `data_dir` in windlass.toml"));
    };
    let (stop, stopped) = watch::channel(false);
    // Before anybody is told that windlass is there: whoever stops it at once must be heard.
    let mut signals = Signals::listen()?;
    let until = if args.until_idle { Until::Idle } else { Until::Stopped };
    let door = open_door(context, args, &engine)?;
    if args.until_idle {
        Intake::drain(&engine).await?;
    }
    let broker = if args.until_idle { None } else { Intake::start(&engine, stopped.clone()).await? };
    context.printer.say(&format!("windlass works on `{}`", engine.store.dir().display()));
    if let Some(door) = &door {
        context.printer.say(&format!("windlass listens on http://{}", door.listener.local_addr()?));
    }
    supervisor::notify("READY=1");
    let reached = broker.as_ref().map(Intake::reached);
    let serving = async {
        if let Some(Door { listener, access, github }) = door {
            let api = Api::new(Arc::clone(&engine), access, github, reached, stopped.clone());
            let limits = Limits::new(engine.config.http.connections);
            listen::serve(listener, http::router(&api), limits, stopped.clone()).await;
        }
    };
    let mut work = pin!(async {
        let working = async {
            let worked = worker::work(Arc::clone(&engine), &leadership, until, stopped.clone()).await;
            // Without a worker nothing more is taken.
            stop.send_replace(true);
            worked
        };
        tokio::join!(working, serving).0
    });
    loop {
        tokio::select! {
            worked = &mut work => break worked?,
            () = signals.next() => {}
        }
        supervisor::notify("STOPPING=1");
        if stop.send_replace(true) {
            return Ok(Exit::Interrupted);
        }
        context.printer.say(
            "finishing the runs in hand; a second signal ends at once, and the next start goes on from there",
        );
    }
    if let Some(broker) = broker {
        broker.finish().await;
    }
    Ok(Exit::Ok)
}

/// What asks a server to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Where requests come in, and whose.
struct Door {
    listener: TcpListener,
    access: Access,
    github: Option<GithubHook>,
}

/// Listens where the command line or the configuration says, and says who is let in there.
fn open_door(context: &Context, args: &Serve, engine: &Engine) -> Result<Option<Door>, Cause> {
    let config = &engine.config.http;
    let address = match args.listen.unwrap_or(config.listen) {
        Listen::At(address) if !args.until_idle => address,
        _ => return Ok(None),
    };
    let access = Access::new(config, address)?;
    let github = GithubHook::open(&config.github, &Variables::Process)?;
    let listener = listen::bind(address).map_err(|error| cannot_listen(address, &error))?;
    if let Some(warning) = access.warning() {
        context.printer.say(&warning);
    }
    Ok(Some(Door { listener, access, github }))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Cause {
    Cause::new("cannot_listen", format!("`{address}` cannot be listened at: {error}"))
        .with_hint("take another port: `windlass serve --listen 127.0.0.1:0` finds a free one")
        .with_hint("or none: `windlass serve --listen none` takes events from the queue only")
}

/// `windlass token new`: the token goes to its holder, its digest into the configuration.
pub(super) fn new_token(context: &Context, args: &NewToken) -> Result<Exit, Cause> {
    let drawn =
        token::NewToken::draw().map_err(|error| Cause::new("io", format!("no random bits: {error}")))?;
    let (name, role, sha256) = (&args.name, args.role, drawn.digest());
    let view = serde_json::json!({ "name": name, "role": role, "token": drawn.expose(), "sha256": sha256 });
    context.printer.say("the token, which is shown this once:");
    context.printer.answer(&view, || drawn.expose().to_owned())?;
    context.printer.say(&format!(
        "write in windlass.toml, and start `windlass serve` again:\n\n[http.tokens.{name}]\nrole = \"{role}\"\nsha256 = \"{sha256}\""
    ));
    Ok(Exit::Ok)
}
