//! The words everybody in Skep shares: ids, time, units, specs, objects, statuses, grants, errors.
//!
//! Plain data and the small rules that belong to it. No I/O, no clock, no random source, no async
//! runtime: everything here runs the same on a manager, on a worker and in the simulator.
//!
//! Three kinds of type are kept apart. A *spec* is what a user wrote and is never changed by the
//! system (but for the digest an image tag stood for). An *object* is what the store keeps: an id,
//! a version, a spec and what the system decided. A *status* is what was observed.

mod assignment;
mod component;
mod duration;
mod error;
mod grant;
mod id;
mod object;
mod options;
mod secret;
mod spec;
mod task;
mod time;
mod units;

pub use assignment::{
    Assignment, AssignmentItem, AssignmentKey, Assignments, AssignmentsKind, NameTable,
    NamedService, NamedTask, PortRoute, RoutedTask, TaskReport,
};
pub use component::{Digest, DigestError, ImageInfo, WorkloadKind};
pub use duration::{ParseDurationError, format_duration, parse_duration};
pub use error::{Error, ErrorKind, Result};
pub use grant::{
    DirGrant, DirSource, FileGrant, FileSource, Grant, Limits, NetworkGrant, SCRATCH_DEFAULT,
};
pub use id::{Id, IdGen, IdParseError};
pub use object::{
    Availability, Cluster, ClusterSpec, Compat, Config, ConfigSpec, Endpoint, Generic, JobStatus,
    Meta, Network, NetworkSpec, Node, NodeDescription, NodeRole, NodeSpec, NodeState, NodeStatus,
    Revision, Secret, SecretSpec, Service, SpecVersion, UpdateState, UpdateStatus, VirtualIp,
    Workload,
};
pub use options::{PlacementStrategy, ServiceOptions};
pub use secret::SecretBytes;
pub use spec::{
    ComponentSpec, ConfigRef, EndpointMode, EndpointSpec, FileTarget, Healthcheck, LogDriver, Mode,
    Mount, MountKind, NetworkAttachment, Placement, PortConfig, Preference, Protocol, PublishMode,
    Resources, RestartCondition, RestartPolicy, SecretRef, ServiceSpec, TaskSpec, UpdateConfig,
    UpdateFailureAction, UpdateOrder,
};
pub use task::{ExitInfo, Origin, Slot, Task, TaskAddress, TaskState, TaskStatus};
pub use time::Time;
pub use units::{Bytes, NanoCpus, ParseUnitError};

/// The label that makes an object part of a stack, as Docker's client writes it.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";
/// The service label that keeps the image as it was written in the compose file.
pub const STACK_IMAGE_LABEL: &str = "com.docker.stack.image";
