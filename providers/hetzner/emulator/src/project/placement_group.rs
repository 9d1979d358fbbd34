//! Placement groups: servers of one stand on different hosts.

use serde_json::{Value, json};

use super::table::{Meta, resource};
use super::{Answer, Project, new_name};
use crate::form::{self, Body};
use crate::kind::{Id, Kind};
use crate::limits::{GROUPS, SERVERS_OF_A_GROUP};
use crate::problem::Problem;
use crate::time::written;

/// Servers that do not share a host. Who is in it, servers know.
#[derive(Debug)]
pub(crate) struct PlacementGroup {
    meta: Meta,
}

resource!(PlacementGroup, PlacementGroup, view);

fn view(group: &PlacementGroup, project: &Project) -> Value {
    json!({
        "id": group.meta.id,
        "name": group.meta.name,
        "labels": group.meta.labels,
        "type": "spread",
        "created": written(group.meta.created),
        "servers": project.members(group.meta.id),
    })
}

impl Project {
    pub(super) fn create_placement_group(&mut self, body: &Body) -> Result<Answer, Problem> {
        let (name, labels) = form::read(body, |form| {
            let name = new_name(form);
            form.word("type", &[("spread", ())]);
            (name, form.labels())
        })?;
        self.placement_groups.refuse_name(&name, None)?;
        if self.placement_groups.len() >= GROUPS {
            return Err(Problem::limit("placement_group_limit", "placement group limit reached"));
        }
        let meta = self.meta(name, labels);
        let id = self.placement_groups.insert(PlacementGroup { meta });
        let view = self.view(Kind::PlacementGroup, id)?;
        Ok(Answer::created(json!({"placement_group": view, "action": null})))
    }

    pub(super) fn delete_placement_group(&mut self, id: Id) -> Result<Answer, Problem> {
        self.placement_groups.get(id)?;
        if !self.members(id).is_empty() {
            return Err(Problem::refused("resource_in_use", "servers are in the placement group"));
        }
        self.placement_groups.remove(id);
        Ok(Answer::empty())
    }

    /// Refuses a server for which there is no room in a group.
    pub(super) fn refuse_full_group(&self, id: Id) -> Result<(), Problem> {
        self.placement_groups.get(id)?;
        if self.members(id).len() < SERVERS_OF_A_GROUP {
            return Ok(());
        }
        let message = format!("placement group with ID {id} contains already {SERVERS_OF_A_GROUP} servers");
        Err(Problem::refused("placement_group_member_limit_reached", message))
    }

    fn members(&self, group: Id) -> Vec<Id> {
        self.servers.ids(|server| server.group == Some(group))
    }
}
