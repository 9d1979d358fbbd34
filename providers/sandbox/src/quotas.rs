//! Keeps the status of quotas: how much of each is used.

use std::collections::BTreeSet;

use futures::stream::{self, BoxStream, SelectAll, StreamExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::objects::kinds::{KINDS, RESOURCE_QUOTA};
use crate::objects::{Kind, Objects, meta};
use crate::writing::used;

/// Counts what quotas limit. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Quotas {
    task: JoinHandle<()>,
}

impl Quotas {
    pub(crate) fn start(objects: Objects) -> Self {
        Self { task: tokio::spawn(keep(objects)) }
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts anew in every namespace in which something has changed.
async fn keep(objects: Objects) {
    let namespaced = KINDS.iter().filter(|kind| kind.is_namespaced());
    let mut changes: SelectAll<_> = namespaced.map(|kind| namespaces(objects.clone(), kind)).collect();
    while let Some(first) = changes.next().await {
        let mut touched = BTreeSet::from([first]);
        while let Some(Some(next)) = futures::FutureExt::now_or_never(changes.next()) {
            touched.insert(next);
        }
        for namespace in &touched {
            count(&objects, namespace);
        }
    }
}

/// The namespaces in which objects of a kind change. After changes were missed it goes on with what is there.
fn namespaces(objects: Objects, kind: &'static Kind) -> BoxStream<'static, String> {
    let from = objects.version();
    let watch = objects.watch(kind, None, from).ok();
    let next = move |(objects, watch): (Objects, Option<crate::objects::Watch>)| async move {
        let mut watch = watch.or_else(|| objects.watch(kind, None, objects.version()).ok())?;
        match watch.next().await? {
            Ok(change) => Some((meta::text(&change.object, "namespace").to_owned(), (objects, Some(watch)))),
            Err(_) => Some((String::new(), (objects, None))),
        }
    };
    stream::unfold((objects, watch), next).boxed()
}

fn count(objects: &Objects, namespace: &str) {
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    for quota in objects.list(&RESOURCE_QUOTA, namespace).items {
        let status = json!({"hard": quota["spec"]["hard"], "used": used(objects, &quota)});
        let (namespace, name) = (meta::text(&quota, "namespace"), meta::text(&quota, "name"));
        // One that is gone by now needs no status.
        let _ = objects.update(&RESOURCE_QUOTA, Some(namespace), name, |quota| quota["status"] = status);
    }
}
