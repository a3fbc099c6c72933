//! Debug prints of the messages that hold a secret: everything but the secret's bytes.
//!
//! `build.rs` leaves `Debug` out for these, so that a message with a secret field either has its
//! print here or does not compile.

use std::fmt;

use crate::pb;

/// Stands in a print for bytes that are not to be seen.
struct Hidden(usize);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

fn hidden(bytes: Option<&[u8]>) -> Option<Hidden> {
    bytes.map(|bytes| Hidden(bytes.len()))
}

impl fmt::Debug for pb::SecretSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, labels, data } = self;
        f.debug_struct("SecretSpec")
            .field("name", name)
            .field("labels", labels)
            .field("data", &Hidden(data.len()))
            .finish()
    }
}

/// Secrets and configs come in the same message, so neither is printed.
impl fmt::Debug for pb::Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, data } = self;
        f.debug_struct("Content").field("id", id).field("data", &Hidden(data.len())).finish()
    }
}

impl fmt::Debug for pb::ComponentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentSpec")
            .field("image", &self.image)
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &self.env)
            .field("dir", &self.dir)
            .field("hostname", &self.hostname)
            .field("labels", &self.labels)
            .field("mounts", &self.mounts)
            .field("secrets", &self.secrets)
            .field("configs", &self.configs)
            .field("read_only", &self.read_only)
            .field("stop_grace_period_ns", &self.stop_grace_period_ns)
            .field("healthcheck", &self.healthcheck)
            .field("registry_auth", &hidden(self.registry_auth.as_deref()))
            .finish()
    }
}

impl fmt::Debug for pb::Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, service, name, desired, status, grant, ports, registry_auth, restart } =
            self;
        f.debug_struct("Assignment")
            .field("task", task)
            .field("service", service)
            .field("name", name)
            .field("desired", desired)
            .field("status", status)
            .field("grant", grant)
            .field("ports", ports)
            .field("registry_auth", &hidden(registry_auth.as_deref()))
            .field("restart", restart)
            .finish()
    }
}

impl fmt::Debug for pb::PullImageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, registry_auth } = self;
        f.debug_struct("PullImageRequest")
            .field("image", image)
            .field("registry_auth", &hidden(registry_auth.as_deref()))
            .finish()
    }
}

impl fmt::Debug for pb::PushImageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, registry_auth } = self;
        f.debug_struct("PushImageRequest")
            .field("image", image)
            .field("registry_auth", &hidden(registry_auth.as_deref()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::pb;

    const SECRET: &[u8] = b"hunter2";

    /// A print of `Vec<u8>` shows numbers, a print of text shows letters: neither may be there.
    fn assert_hidden(print: &str) {
        let numbers: Vec<String> = SECRET.iter().map(u8::to_string).collect();
        assert!(!print.contains(&numbers.join(", ")), "{print}");
        assert!(!print.contains("hunter2"), "{print}");
        assert!(print.contains("<7 bytes>"), "{print}");
    }

    fn component() -> pb::ComponentSpec {
        pb::ComponentSpec { registry_auth: Some(SECRET.into()), ..Default::default() }
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let secret = pb::SecretSpec { data: SECRET.into(), ..Default::default() };
        let assignment =
            pb::Assignment { registry_auth: Some(SECRET.into()), ..Default::default() };
        let content = pb::Content { id: String::new(), data: SECRET.into() };
        let auth = Some(SECRET.to_vec());
        for print in [
            format!("{secret:?}"),
            format!("{:?}", component()),
            format!("{assignment:?}"),
            format!("{content:?}"),
            format!(
                "{:?}",
                pb::PullImageRequest { image: String::new(), registry_auth: auth.clone() }
            ),
            format!("{:?}", pb::PushImageRequest { image: String::new(), registry_auth: auth }),
        ] {
            assert_hidden(&print);
        }
    }

    #[test]
    fn no_debug_print_of_what_holds_them_shows_a_secret() {
        let secret = pb::SecretSpec { data: SECRET.into(), ..Default::default() };
        let stored = pb::Secret { spec: Some(secret.clone()), ..Default::default() };
        let object = pb::Object { object: Some(pb::object::Object::Secret(stored)) };
        let change = pb::Change { change: Some(pb::change::Change::Create(object)) };
        assert_hidden(&format!("{:?}", pb::Entry { time: 0, changes: vec![change] }));
        let stack = pb::DeployStackRequest { secrets: vec![secret], ..Default::default() };
        assert_hidden(&format!("{stack:?}"));
        let content = pb::Content { id: String::new(), data: SECRET.into() };
        let item = pb::AssignmentItem { item: Some(pb::assignment_item::Item::Secret(content)) };
        let message = pb::AssignmentsMessage { set: vec![item], ..Default::default() };
        assert_hidden(&format!("{message:?}"));
        let task = pb::TaskSpec { component: Some(component()), ..Default::default() };
        let spec = pb::ServiceSpec { task: Some(task), ..Default::default() };
        assert_hidden(&format!("{spec:?}"));
    }
}
