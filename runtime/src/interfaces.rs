//! What a component may import, and what its exports make of it.
//!
//! The one list of the host's interfaces: images are checked against it when they are stored, the
//! linker is asked at run time. A test holds the list and the linker together.

use skep_api::WorkloadKind;

/// The WASI release line whose interfaces are offered, by package: any `0.2.x` of them.
const TRACK: &str = "0.2.";

/// What a component may import, each as `namespace:package/interface`, at any version 0.2.x.
pub const HOST_INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether the host has that import, `wasi:http/types@0.2.3`: versions of one line are compatible.
pub fn host_offers(import: &str) -> bool {
    on_track(import).is_some_and(|interface| HOST_INTERFACES.contains(&interface))
}

/// What a component with these exports is; `None` if it is nothing that can be run.
pub fn workload_kind<'a>(exports: impl IntoIterator<Item = &'a str>) -> Option<WorkloadKind> {
    let mut kind = None;
    for export in exports {
        match on_track(export) {
            // A handler wins: such a component may well have an unused `run` from its toolchain.
            Some("wasi:http/incoming-handler") => return Some(WorkloadKind::Http),
            Some("wasi:cli/run") => kind = Some(WorkloadKind::Command),
            _ => {}
        }
    }
    kind
}

/// The interface without its version, if that is one of the offered line.
fn on_track(name: &str) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    let patch = version.strip_prefix(TRACK)?;
    // A prerelease (`0.2.0-rc-2023-12-05`) is another interface altogether.
    (!patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit())).then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_version_of_the_line_is_offered_and_no_other() {
        for import in ["wasi:io/poll@0.2.0", "wasi:http/types@0.2.3", "wasi:cli/exit@0.2.99"] {
            assert!(host_offers(import), "{import}");
        }
        for import in [
            "wasi:io/poll",
            "wasi:io/poll@0.2.0-rc-2023-12-05",
            "wasi:io/poll@0.3.0",
            "wasi:nn/tensor@0.2.0",
            "wasi:io/poll@0.2.",
            "",
        ] {
            assert!(!host_offers(import), "{import}");
        }
    }

    #[test]
    fn the_exports_say_what_it_is() {
        let (run, handler) = ("wasi:cli/run@0.2.3", "wasi:http/incoming-handler@0.2.0");
        assert_eq!(workload_kind([run]), Some(WorkloadKind::Command));
        assert_eq!(workload_kind([handler]), Some(WorkloadKind::Http));
        assert_eq!(workload_kind([run, handler]), Some(WorkloadKind::Http));
        assert_eq!(workload_kind(["wasi:cli/run@0.3.0", "hello"]), None);
    }
}
