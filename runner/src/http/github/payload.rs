//! What a delivery says, in our words: a push to a branch is an event, everything else asks for nothing.
//!
//! Of the many members of a payload only those are read that an event needs; GitHub adds others at any time.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use windlass_core::event::text::{CommitId, GitReference, Line};
use windlass_core::event::{Event, EventData, EventIdentity, Extension, Push, SENDER};
use windlass_core::name::Digest;

use super::super::problem::Problem;

/// What a delivery asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// An event, to be taken over.
    Event(Box<Event>),
    /// Whether anybody is there.
    Answer,
    /// Nothing, and why.
    Nothing(String),
}

/// A push, as far as it matters here (GitHub's webhook event `push`).
#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "ref")]
    reference: GitReference,
    before: CommitId,
    after: CommitId,
    repository: Repository,
    head_commit: Option<HeadCommit>,
    pusher: Option<Person>,
    sender: Option<Account>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Debug, Deserialize)]
struct HeadCommit {
    author: Person,
}

/// Somebody as a commit or a push names them; `username` is there where the address belongs to an account.
#[derive(Debug, Deserialize)]
struct Person {
    name: Option<String>,
    username: Option<String>,
}

/// Who did it, as GitHub knows.
#[derive(Debug, Deserialize)]
struct Account {
    login: String,
}

/// Reads a delivery of a repository.
pub(super) fn read(kind: &str, delivery: &str, body: &[u8], repository: &str) -> Result<Asked, Problem> {
    match kind {
        "ping" => Ok(Asked::Answer),
        "push" => read_push(delivery, body, repository),
        "pull_request" => {
            let why = "nothing is done with pull requests: check them with `windlass check` and `windlass plan` in a workflow";
            Ok(Asked::Nothing(why.to_owned()))
        }
        other => Ok(Asked::Nothing(format!("nothing is done with `{}`", other.escape_debug()))),
    }
}

fn read_push(delivery: &str, body: &[u8], repository: &str) -> Result<Asked, Problem> {
    let payload: Payload = parse(body)?;
    // GitHub takes names for the same that differ in the case of letters only.
    if !payload.repository.full_name.eq_ignore_ascii_case(repository) {
        let text = format!("pushes to `{}` are not taken here", payload.repository.full_name.escape_debug());
        return Err(Problem::forbidden("repository_unknown", text)
            .with_hint("the repository is `http.github.repository` in windlass.toml"));
    }
    let reference = payload.reference.as_str();
    if payload.reference.branch().is_none() {
        return Ok(Asked::Nothing(format!("nothing is done: `{reference}` is not a branch")));
    }
    if is_none(&payload.after) {
        return Ok(Asked::Nothing(format!("nothing is done: `{reference}` was deleted")));
    }
    Ok(Asked::Event(Box::new(event(payload, delivery, body, repository))))
}

/// The event of a push.
///
/// Its id is the content's digest. The delivery's own is not signed: whoever has seen one could send it anew under another, and so deploy what was
/// pushed long ago. A delivery that GitHub repeats has the same content.
fn event(payload: Payload, delivery: &str, body: &[u8], repository: &str) -> Event {
    let text = |text: &str| Extension::Text(text.to_owned());
    let mut extensions = BTreeMap::from([("githubdelivery".to_owned(), text(delivery))]);
    let sender = payload.sender.and_then(|account| line(account.login));
    if let Some(sender) = &sender {
        // Who pushed, as GitHub has found: whoever did cannot approve it, whatever its commits say of their authors.
        extensions.insert(SENDER.to_owned(), text(sender.as_str()));
        extensions.insert("authtype".to_owned(), text("user"));
    }
    let author = payload.head_commit.and_then(|commit| name(commit.author));
    Event {
        identity: EventIdentity {
            source: format!("https://github.com/{repository}"),
            id: Digest::of(body).to_string(),
        },
        subject: Some(payload.reference.to_string()),
        time: None,
        dataschema: None,
        extensions,
        data: EventData::Push(Push {
            repository: repository.to_owned().try_into().expect("a repository's name is one line"),
            reference: payload.reference,
            before: Some(payload.before).filter(|commit| !is_none(commit)),
            after: payload.after,
            changed: None,
            author,
            pusher: sender.or_else(|| payload.pusher.and_then(name)),
        }),
    }
}

/// How Git writes that there is no commit.
fn is_none(commit: &CommitId) -> bool {
    commit.as_str().bytes().all(|digit| digit == b'0')
}

fn name(person: Person) -> Option<Line> {
    person.username.or(person.name).and_then(line)
}

/// A text that can be one line; a commit's author may be anything, and a push is not refused for it.
fn line(text: String) -> Option<Line> {
    text.try_into().ok()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut text = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let path = error.path().to_string();
        let text = format!("the delivery is not one of GitHub: {}", error.into_inner());
        Problem::bad_request(text).at(path)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUSH: &str = include_str!("push.json");

    fn push(change: impl FnOnce(&mut serde_json::Value)) -> Result<Asked, Problem> {
        let mut payload = serde_json::from_str(PUSH).unwrap();
        change(&mut payload);
        read("push", "72d3162e", payload.to_string().as_bytes(), "acme/shop")
    }

    #[track_caller]
    fn event_of(asked: Result<Asked, Problem>) -> (Event, Push) {
        let Ok(Asked::Event(event)) = asked else { panic!("{asked:?}") };
        let EventData::Push(push) = event.data.clone() else { panic!("{event:?}") };
        (*event, push)
    }

    #[test]
    fn a_push_is_an_event_that_says_who_pushed() {
        let (event, push) = event_of(push(|_| {}));
        assert_eq!(Event::parse(event.to_json().to_string().as_bytes()).unwrap(), event);
        assert_eq!(
            (event.identity.source.as_str(), event.sender()),
            ("https://github.com/acme/shop", Some("ada"))
        );
        assert_eq!(push.reference.branch(), Some("main"));
        assert_eq!((push.author.unwrap().as_str(), push.pusher.unwrap().as_str()), ("grace", "ada"));
        assert!(push.before.is_some());
    }

    #[test]
    fn the_same_content_is_the_same_event_whatever_its_delivery_is_called() {
        let id = |delivery| event_of(read("push", delivery, PUSH.as_bytes(), "acme/shop")).0.identity;
        assert_eq!(id("one"), id("another"));
        assert_ne!(id("one"), event_of(push(|payload| payload["after"] = "b".repeat(40).into())).0.identity);
    }

    #[test]
    fn a_new_branch_has_nothing_before_it_and_an_author_may_be_anything() {
        let (_, push) = event_of(push(|payload| {
            payload["before"] = "0".repeat(40).into();
            payload["head_commit"]["author"] = serde_json::json!({"name": "two\nlines"});
            payload["repository"]["full_name"] = "Acme/SHOP".into();
        }));
        assert_eq!((push.before, push.author, push.repository.as_str()), (None, None, "acme/shop"));
    }

    #[test]
    fn what_asks_for_nothing_is_told_so() {
        let told = |asked| match asked {
            Ok(Asked::Nothing(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(
            told(push(|payload| payload["after"] = "0".repeat(40).into()))
                .contains("`refs/heads/main` was deleted")
        );
        assert!(
            told(push(|payload| payload["ref"] = "refs/tags/v1".into()))
                .contains("`refs/tags/v1` is not a branch")
        );
        for (kind, words) in
            [("issues", "`issues`"), ("pull_request", "pull requests"), ("\u{7}", "`\\u{7}`")]
        {
            assert!(told(read(kind, "1", b"", "acme/shop")).contains(words), "{kind}");
        }
        assert!(matches!(read("ping", "1", b"{}", "acme/shop"), Ok(Asked::Answer)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |asked: Result<Asked, Problem>| format!("{:?}", asked.unwrap_err());
        let other = refused(push(|payload| payload["repository"]["full_name"] = "acme/other".into()));
        assert!(other.contains("repository_unknown") && other.contains("`acme/other`"), "{other}");
        let wrong = refused(push(|payload| payload["after"] = "HEAD".into()));
        assert!(wrong.contains("a full commit id") && wrong.contains("Some(\"after\")"), "{wrong}");
        assert!(refused(push(|payload| payload["ref"] = "main".into())).contains("Some(\"ref\")"));
    }

    proptest! {
        #[test]
        fn no_body_can_do_more_than_be_refused(body in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(read("push", "1", &body, "acme/shop").is_err());
        }
    }
}
