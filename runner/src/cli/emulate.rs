//! `emulate`: APIs of providers in this process, for any client that can be pointed at them.

use serde_json::json;
use windlass_hetzner_emulator::{Clock, Emulator, Latencies, SimulatedClock};

use super::args::EmulateHetzner;
use super::signals::Signals;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::stop::{Cause, chain};

/// `windlass emulate hetzner`. Says where it is, and serves until it is stopped.
pub(super) async fn hetzner(printer: Printer, args: EmulateHetzner) -> Result<Exit, Cause> {
    let mut signals = Signals::new()?;
    let clock = if args.simulated_clock {
        Clock::Simulated(SimulatedClock::new(jiff::Timestamp::now()))
    } else {
        Clock::Real
    };
    let latencies = if args.instant { Latencies::none() } else { Latencies::usual() };
    let mut builder = Emulator::builder().listen(args.listen).clock(clock).latencies(latencies);
    if args.lenient {
        builder = builder.lenient();
    }
    if let Some(token) = args.token {
        builder = builder.token(token);
    }
    let emulator = builder.start().await.map_err(|error| {
        Cause::new("cannot_listen", chain(&error))
            .with_hint("name another address with --listen; port 0 is any that is free")
    })?;
    let (endpoint, token) = (emulator.endpoint(), emulator.token());
    printer.answer(&json!({"HCLOUD_ENDPOINT": endpoint, "HCLOUD_TOKEN": token}), || {
        format!("HCLOUD_ENDPOINT={endpoint}\nHCLOUD_TOKEN={token}")
    })?;
    printer
        .say(&format!("the Hetzner Cloud API is at {endpoint}; Ctrl-C ends it, and what it holds is gone"));
    signals.next().await;
    Ok(Exit::Ok)
}
