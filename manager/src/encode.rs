//! Changes and entries as protobuf, and back. What is on a disk or on a wire is never a Rust
//! layout, so that one version of Skep reads what another wrote.

use std::sync::Arc;

use skep_api::{Id, SpecVersion, TaskState, Time};
use skep_manager_core::{Change, Entry, KeptSpec, Key, Object, Snapshot};
use skep_wire::{WireError, pb};

/// A message is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// A part that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A part has no such value.
    #[error("`{0}` is not a {1}")]
    Value(String, &'static str),
    /// An object in it is not what it should be.
    #[error(transparent)]
    Wire(WireError),
}

/// An entry as it is stored and sent.
pub(crate) fn entry_to_pb(entry: &Entry) -> pb::Entry {
    pb::Entry {
        time: entry.time.as_nanos(),
        changes: entry.changes.iter().map(change_to_pb).collect(),
    }
}

/// An entry that was stored or sent.
pub(crate) fn entry_from_pb(entry: pb::Entry) -> Result<Entry, DecodeError> {
    let changes = entry.changes.into_iter().map(change_from_pb).collect::<Result<_, _>>()?;
    Ok(Entry { time: Time::from_nanos(entry.time), changes })
}

/// A change as it is stored and sent.
pub(crate) fn change_to_pb(change: &Change) -> pb::Change {
    use pb::change::Change as To;
    let change = match change {
        Change::Create(object) => To::Create(object_to_pb(object)),
        Change::Update(object) => To::Update(object_to_pb(object)),
        Change::Remove(key) => To::Remove(key_to_pb(*key)),
        Change::TaskStatus { task, status } => To::TaskStatus(pb::TaskStatusChange {
            task: task.to_string(),
            status: Some(status.into()),
        }),
        Change::TaskDesired { task, desired } => To::TaskDesired(pb::TaskDesiredChange {
            task: task.to_string(),
            desired: u32::from(*desired as u16),
        }),
        Change::TaskAssign { task, node, ports, addresses, generic, status } => {
            let generic = generic.iter().map(|(kind, of_kind)| (kind.clone(), of_kind.into()));
            To::TaskAssign(pb::TaskAssignChange {
                generic: generic.collect(),
                task: task.to_string(),
                node: node.map(|node| node.to_string()),
                ports: ports.iter().map(Into::into).collect(),
                addresses: addresses.iter().map(Into::into).collect(),
                status: Some(status.into()),
            })
        }
    };
    pb::Change { change: Some(change) }
}

fn change_from_pb(change: pb::Change) -> Result<Change, DecodeError> {
    use pb::change::Change as From;
    Ok(match need(change.change, "change")? {
        From::Create(object) => Change::Create(object_from_pb(object)?),
        From::Update(object) => Change::Update(object_from_pb(object)?),
        From::Remove(key) => Change::Remove(key_from_pb(key)?),
        From::TaskStatus(c) => {
            Change::TaskStatus { task: id(&c.task)?, status: wire(need(c.status, "status")?)? }
        }
        From::TaskDesired(c) => {
            Change::TaskDesired { task: id(&c.task)?, desired: state(c.desired)? }
        }
        From::TaskAssign(c) => Change::TaskAssign {
            task: id(&c.task)?,
            node: c.node.as_deref().map(id).transpose()?,
            ports: c.ports.into_iter().map(wire).collect::<Result<_, _>>()?,
            addresses: c.addresses.into_iter().map(wire).collect::<Result<_, _>>()?,
            generic: c
                .generic
                .into_iter()
                .map(|(kind, generic)| Ok((kind, wire(generic)?)))
                .collect::<Result<_, DecodeError>>()?,
            status: wire(need(c.status, "status")?)?,
        },
    })
}

/// An object as it is stored and sent.
pub(crate) fn object_to_pb(object: &Object) -> pb::Object {
    use pb::object::Object as To;
    let object = match object {
        Object::Cluster(o) => To::Cluster(o.into()),
        Object::Node(o) => To::Node(o.into()),
        Object::Service(o) => To::Service(o.into()),
        Object::Task(o) => To::Task(o.into()),
        Object::Network(o) => To::Network(o.into()),
        Object::Secret(o) => To::Secret(o.into()),
        Object::Config(o) => To::Config(o.into()),
    };
    pb::Object { object: Some(object) }
}

/// An object that was stored or sent.
pub(crate) fn object_from_pb(object: pb::Object) -> Result<Object, DecodeError> {
    use pb::object::Object as From;
    Ok(match need(object.object, "object")? {
        From::Cluster(o) => Object::Cluster(wire(o)?),
        From::Node(o) => Object::Node(wire(o)?),
        From::Service(o) => Object::Service(wire(o)?),
        From::Task(o) => Object::Task(wire(o)?),
        From::Network(o) => Object::Network(wire(o)?),
        From::Secret(o) => Object::Secret(wire(o)?),
        From::Config(o) => Object::Config(wire(o)?),
    })
}

/// A store's snapshot as it is stored and sent.
pub(crate) fn snapshot_to_pb(snapshot: &Snapshot) -> pb::Snapshot {
    let kept = |kept: &KeptSpec| pb::KeptSpec {
        service: kept.service.to_string(),
        version: kept.version.0,
        spec: Some(kept.spec.as_ref().into()),
    };
    pb::Snapshot {
        version: snapshot.version,
        time: snapshot.time.as_nanos(),
        objects: snapshot.objects.iter().map(object_to_pb).collect(),
        specs: snapshot.specs.iter().map(kept).collect(),
    }
}

/// A store's snapshot that was stored or sent.
pub(crate) fn snapshot_from_pb(snapshot: pb::Snapshot) -> Result<Snapshot, DecodeError> {
    let kept = |kept: pb::KeptSpec| {
        Ok(KeptSpec {
            service: id(&kept.service)?,
            version: SpecVersion(kept.version),
            spec: Arc::new(wire(need(kept.spec, "spec")?)?),
        })
    };
    Ok(Snapshot {
        version: snapshot.version,
        time: Time::from_nanos(snapshot.time),
        specs: snapshot.specs.into_iter().map(kept).collect::<Result<_, DecodeError>>()?,
        objects: snapshot.objects.into_iter().map(object_from_pb).collect::<Result<_, _>>()?,
    })
}

fn key_to_pb(key: Key) -> pb::Key {
    use pb::key::Key as To;
    let key = match key {
        Key::Cluster(id) => To::Cluster(id.to_string()),
        Key::Node(id) => To::Node(id.to_string()),
        Key::Service(id) => To::Service(id.to_string()),
        Key::Task(id) => To::Task(id.to_string()),
        Key::Network(id) => To::Network(id.to_string()),
        Key::Secret(id) => To::Secret(id.to_string()),
        Key::Config(id) => To::Config(id.to_string()),
    };
    pb::Key { key: Some(key) }
}

fn key_from_pb(key: pb::Key) -> Result<Key, DecodeError> {
    use pb::key::Key as From;
    Ok(match need(key.key, "key")? {
        From::Cluster(text) => Key::Cluster(id(&text)?),
        From::Node(text) => Key::Node(id(&text)?),
        From::Service(text) => Key::Service(id(&text)?),
        From::Task(text) => Key::Task(id(&text)?),
        From::Network(text) => Key::Network(id(&text)?),
        From::Secret(text) => Key::Secret(id(&text)?),
        From::Config(text) => Key::Config(id(&text)?),
    })
}

/// A part that must be there.
pub(crate) fn need<T>(part: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    part.ok_or(DecodeError::Missing(name))
}

/// An id from its written form.
pub(crate) fn id<T>(text: &str) -> Result<Id<T>, DecodeError> {
    text.parse().map_err(|_| DecodeError::Value(text.chars().take(64).collect(), "id"))
}

/// An object of the domain from its message.
pub(crate) fn wire<P, D: TryFrom<P, Error = WireError>>(message: P) -> Result<D, DecodeError> {
    D::try_from(message).map_err(DecodeError::Wire)
}

fn state(number: u32) -> Result<TaskState, DecodeError> {
    let known = TaskState::ALL.into_iter().find(|state| u32::from(*state as u16) == number);
    known.ok_or_else(|| DecodeError::Value(number.to_string(), "task state"))
}
