//! Starting a container, and every way in which that fails.

use crate::Moment;
use crate::container::{End, Role, Run, Waiting};
use crate::facts::Facts;
use crate::fault::Fault;
use crate::image;
use crate::pod::{PodWorker, Severity};

use Severity::{Normal, Warning};

impl PodWorker {
    /// Starts a container, moving `cursor` on by the time it takes; whether that worked.
    pub(crate) fn start(&mut self, index: usize, cursor: &mut Moment, facts: &Facts) -> bool {
        if self.is_held_back(index, *cursor) || !self.has_image(index, *cursor) {
            return false;
        }
        if let Some(message) = self.configuration_error(index, facts) {
            self.say(index, *cursor, Warning, "Failed", &format!("Error: {message}"));
            self.wait(index, "CreateContainerConfigError", message);
            return false;
        }
        *cursor += self.pace.step;
        let name = self.containers[index].name().to_owned();
        self.say(index, *cursor, Normal, "Created", &format!("Created container: {name}"));
        *cursor += self.pace.step;
        if self.containers[index].fault(&self.request) == Some(Fault::CommandMissing) {
            self.refuse_to_run(index, *cursor);
            return false;
        }
        self.say(index, *cursor, Normal, "Started", &format!("Started container {name}"));
        let role = self.containers[index].role;
        let runs_to_end = role == Role::Init || (role == Role::Main && self.restart_policy() != "Always");
        self.containers[index].begin(*cursor, runs_to_end, &self.pace, &self.request);
        true
    }

    /// Whether the container crashed so recently that it is not restarted yet.
    ///
    /// The kubelet asks what it knew when it began to synchronise: a run that it has just killed itself is not among
    /// that, so that the first kill by a probe is never held back.
    fn is_held_back(&mut self, index: usize, now: Moment) -> bool {
        let (identity, known) = (self.identity(), self.seen);
        let container = &mut self.containers[index];
        let Some(ended) = container.last_end(known) else { return false };
        let Some(delay) = container.restarts.holding(ended, now) else {
            container.restarts.lengthen(ended, now);
            return false;
        };
        let name = container.name().to_owned();
        let message = format!("back-off {} restarting failed container={name} pod={identity}", words(delay));
        self.wait(index, "CrashLoopBackOff", message);
        let message = format!("Back-off restarting failed container {name} in pod {identity}");
        self.say(index, now, Warning, "BackOff", &message);
        true
    }

    fn has_image(&mut self, index: usize, now: Moment) -> bool {
        let image = self.containers[index].image().to_owned();
        let fault = self.containers[index].fault(&self.request);
        if let Some(message) = image::invalid_name(&image) {
            self.say(index, now, Warning, "InspectFailed", &message);
            self.fail_image(index, now, "InvalidImageName", message);
            return false;
        }
        if fault == Some(Fault::NeverPull) {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            self.say(index, now, Warning, "ErrImageNeverPull", &message);
            self.fail_image(index, now, "ErrImageNeverPull", message);
            return false;
        }
        if let Some(cause) = fault.and_then(|fault| image::pull_failure(fault, &image)) {
            self.fail_pull(index, now, &image, cause);
            return false;
        }
        self.tell_pulled(index, now, &image);
        true
    }

    fn fail_pull(&mut self, index: usize, now: Moment, image: &str, cause: String) {
        if self.containers[index].pulls.holding_still(now) {
            self.say(index, now, Normal, "BackOff", &format!("Back-off pulling image \"{image}\""));
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {cause}");
            self.fail_image(index, now, "ImagePullBackOff", message);
            return;
        }
        self.containers[index].pulls.lengthen(now, now);
        self.containers[index].show_fault();
        self.say(index, now, Normal, "Pulling", &format!("Pulling image \"{image}\""));
        self.say(index, now, Warning, "Failed", &format!("Failed to pull image \"{image}\": {cause}"));
        self.fail_image(index, now, "ErrImagePull", cause);
    }

    fn fail_image(&mut self, index: usize, now: Moment, reason: &'static str, message: String) {
        self.say(index, now, Warning, "Failed", &format!("Error: {reason}"));
        self.wait(index, reason, message);
    }

    fn tell_pulled(&mut self, index: usize, now: Moment, image: &str) {
        let is_pulled_anew =
            self.containers[index].specification.image_pull_policy.as_deref() == Some("Always");
        let message = if is_pulled_anew {
            self.say(index, now, Normal, "Pulling", &format!("Pulling image \"{image}\""));
            format!(
                "Successfully pulled image \"{image}\" in 1ms (1ms including waiting). Image size: 1 bytes."
            )
        } else {
            format!("Container image \"{image}\" already present on machine")
        };
        self.say(index, now, Normal, "Pulled", &message);
    }

    fn configuration_error(&self, index: usize, facts: &Facts) -> Option<String> {
        let container = &self.containers[index];
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        if let Some(message) = facts.environment_lacks(&container.specification, namespace) {
            return Some(message);
        }
        let subject = format!("(pod: \"{}\", container: {})", self.identity(), container.name());
        if container.fault(&self.request) == Some(Fault::RunAsRoot) {
            return Some(format!("container has runAsNonRoot and image will run as root {subject}"));
        }
        let of_pod = self.pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        let own = container.specification.security_context.as_ref();
        let forbids_root =
            own.and_then(|own| own.run_as_non_root).or(of_pod.and_then(|pod| pod.run_as_non_root));
        let user = own.and_then(|own| own.run_as_user).or(of_pod.and_then(|pod| pod.run_as_user));
        let contradicts = forbids_root == Some(true) && user == Some(0);
        contradicts.then(|| format!("container's runAsUser breaks non-root policy {subject}"))
    }

    /// The runtime makes the container and cannot run its command.
    fn refuse_to_run(&mut self, index: usize, now: Moment) {
        let container = &mut self.containers[index];
        container.show_fault();
        let command = container.specification.command.iter().flatten().next();
        let command = command.map_or("/entrypoint", String::as_str);
        let message = format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
             failed: unable to start container process: exec: \"{command}\": stat {command}: no such file or \
             directory: unknown"
        );
        let end = End { at: now, exit_code: 128, reason: "StartError", message: Some(message.clone()) };
        let fault = Some(Fault::CommandMissing);
        let output = String::new();
        container.runs.push(Run { started: None, created: now, end: Some(end), ready: None, fault, output });
        self.say(index, now, Warning, "Failed", &format!("Error: {message}"));
        self.wait(index, "RunContainerError", message);
    }

    /// The pod as messages name it: name, namespace and uid.
    fn identity(&self) -> String {
        let metadata = &self.pod.metadata;
        let [name, namespace, uid] = [&metadata.name, &metadata.namespace, &metadata.uid];
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        format!("{}_{}({})", word(name), word(namespace), word(uid))
    }

    fn wait(&mut self, index: usize, reason: &'static str, message: String) {
        self.containers[index].waiting = Some(Waiting { reason, message });
    }

    fn say(&mut self, index: usize, at: Moment, severity: Severity, reason: &'static str, message: &str) {
        let field_path = self.containers[index].field_path();
        self.tell_event(at, severity, reason, message, Some(field_path));
    }
}

/// A delay as Go prints it.
fn words(delay: std::time::Duration) -> String {
    match (delay.as_secs() / 60, delay.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}
