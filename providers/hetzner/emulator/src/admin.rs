//! What the API of Hetzner does not have: `/_emulator`, by which tests in other processes see and steer the emulator.
//!
//! | path | GET | POST | DELETE |
//! |---|---|---|---|
//! | `calls` | all calls | | forgets them |
//! | `faults` | those in force | adds one ([`Fault`]) | removes all |
//! | `shortages` | those in force | adds one ([`Shortage`]) | removes all |
//! | `clock` | what time it is | `{"advance": SECONDS}` moves a simulated clock | |

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::faults::{Fault, duration};
use crate::problem::Problem;
use crate::project::Answer;
use crate::service::Service;
use crate::stock::Shortage;

/// Where it begins.
pub(crate) const BASE: &str = "/_emulator";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// In seconds.
    advance: f64,
}

pub(crate) fn answer(service: &Service, method: &Method, path: &str, body: &[u8]) -> Result<Answer, Problem> {
    let mut state = service.state();
    match (path, method.as_str()) {
        ("/calls", "GET") => return Ok(Answer::ok(json!({"calls": service.calls.all()}))),
        ("/calls", "DELETE") => service.calls.forget(),
        ("/faults", "GET") => return Ok(Answer::ok(json!({"faults": state.faults.all()}))),
        ("/faults", "POST") => state.faults.add(read::<Fault>(body)?),
        ("/faults", "DELETE") => state.faults.clear(),
        ("/shortages", "GET") => return Ok(Answer::ok(json!({"shortages": state.project.stock.all()}))),
        ("/shortages", "POST") => state.project.stock.sell_out(read::<Shortage>(body)?),
        ("/shortages", "DELETE") => state.project.stock.refill(),
        ("/clock", "GET") => return Ok(Answer::ok(clock(service))),
        ("/clock", "POST") => {
            let Clock::Simulated(clock) = &service.clock else {
                return Err(Problem::conflict("the clock is that of the machine"));
            };
            clock.advance(duration(read::<Advance>(body)?.advance));
            service.settle(&mut state);
        }
        ("/calls" | "/faults" | "/shortages" | "/clock", _) => return Err(Problem::method_not_allowed()),
        _ => return Err(Problem::no_such_path()),
    }
    Ok(Answer::empty())
}

fn clock(service: &Service) -> Value {
    json!({"now": service.clock.now(), "simulated": matches!(service.clock, Clock::Simulated(_))})
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::unreadable(&error.to_string()))
}
