//! Compose files: from the text a user wrote to the specs a stack consists of.
//!
//! The dialect is that of `docker stack deploy`, the "legacy v3 loader" (semantics part 12): what it
//! accepts is accepted with the same result, what it refuses is refused with the same text, and
//! [`print()`] writes what `docker stack config` writes, byte for byte.
//!
//! ```text
//! text --parse--> tree --interpolate--> tree --validate (schema)--> tree --decode--> Project
//!                                          several files: merge ----------------------^
//! Project --print--> text          Project --convert--> StackSpec (networks, secrets, services, ...)
//! ```
//!
//! Invariants:
//! 1. Nothing here touches a file, a clock or the environment: variables are in [`Options`], files
//!    come through [`ReadFile`]. The same input gives the same output.
//! 2. No text makes it panic, run without end or take memory beyond the named limits.
//! 3. `load(print(p))` is `p` again, but for a `$`, which `print` writes as it is, and process limits
//!    of 0, which it leaves out: both as Docker does.
//!
//! It must not know what a cluster has: whether an external network, secret or config exists, and
//! how big a secret may be, is for managers to say.

mod convert;
mod duration;
mod environment;
mod error;
mod interpolate;
mod load;
mod merge;
mod model;
mod natural;
mod number;
mod parse;
mod path;
mod ports;
mod print;
mod scalar;
mod schema;
mod shell;
mod short;
mod volume;

pub use convert::{StackSpec, convert};
pub use duration::GoDuration;
pub use error::{ComposeError, Warning};
pub use load::{Interpolation, Loaded, Options, ReadFile, SourceFile, load};
pub use model::{
    AccessMode, BlockVolume, Build, CapacityRange, ClusterSpec, Config, CredentialSpec, Deploy,
    DiscreteResource, Extensions, FileReference, GenericResource, Healthcheck, Ipam, IpamPool,
    Limits, Logging, MountVolume, Network, Placement, Port, Preference, Project, Reservations,
    Resources, RestartPolicy, Secret, Service, ServiceNetwork, Size, Topology, TopologyRequirement,
    Ulimit, UpdateConfig, Volume, VolumeBind, VolumeMount, VolumeOptions, VolumeSecret,
    VolumeTmpfs,
};
pub use print::print;
pub use shell::split as split_command;
