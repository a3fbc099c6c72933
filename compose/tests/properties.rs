//! No text makes the crate panic, and what is printed is read back as the same project.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;
use skep_compose::{Loaded, Options, ReadFile, SourceFile, convert, load, print};

struct NoFiles;

impl ReadFile for NoFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path.ends_with("there") {
            true => Ok(b"A=1\nB".to_vec()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn options() -> Options {
    let env = [("A", "a"), ("N", "3"), ("E", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Options {
        env: BTreeMap::from(env),
        working_dir: "/p".to_owned(),
        home: Some("/h".to_owned()),
        ..Options::default()
    }
}

fn load_text(text: &str) -> Option<Loaded> {
    load(&[SourceFile { name: "f", text }], &options(), &NoFiles).ok()
}

/// Scalars that mean something somewhere.
fn scalar() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "a",
        "web",
        "8080:80",
        "0444",
        "1.5",
        "-1",
        "true",
        "null",
        "~",
        "5s",
        "1g",
        "'quoted'",
        "\"3\"",
        "v:/a",
        "vol:/data:ro",
        "./x:/y",
        "on-failure:3",
        "80-90",
        "2001-01-01",
        "1:30",
        "\"é\\t\\n\"",
        "'a: b #c'",
        "any",
        "global",
        "host",
        "x/there",
        "/there",
        "\" \\n x\"",
        "A=b",
        "1e400",
        "99999999999999999999",
        "0o17",
        "y",
        "\"\"",
        "'<<'",
        "@",
        "`",
        "*a",
        "&a b",
        "!!str 5",
        "{}",
        "[]",
        "|",
        ">-",
        "- a",
        "127.0.0.1:1-5:1-5/udp",
        "a b 'c d'",
        "__",
    ]);
    prop_oneof![8 => words.prop_map(str::to_owned), 1 => "[a-z$\\{\\}:\\-?N]{0,9}"]
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "services",
        "web",
        "db",
        "image",
        "command",
        "environment",
        "env_file",
        "deploy",
        "labels",
        "replicas",
        "ports",
        "target",
        "published",
        "mode",
        "volumes",
        "type",
        "source",
        "secrets",
        "configs",
        "networks",
        "default",
        "aliases",
        "external",
        "name",
        "file",
        "healthcheck",
        "test",
        "interval",
        "resources",
        "limits",
        "memory",
        "cpus",
        "restart_policy",
        "delay",
        "update_config",
        "parallelism",
        "ulimits",
        "nofile",
        "logging",
        "options",
        "x-skep",
        "x-a",
        "extra_hosts",
        "version",
        "build",
        "driver_opts",
        "tmpfs",
        "size",
        "<<",
        "'n'",
        "\"a b\"",
    ])
    .prop_map(str::to_owned)
}

/// Something like a compose file, in flow style.
fn tree() -> impl Strategy<Value = String> {
    scalar().prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec((key(), inner.clone()), 0..6).prop_map(|entries| {
                let entries: Vec<String> =
                    entries.into_iter().map(|(k, v)| format!("{k}: {v}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

/// A value for one of the keys of a service, right more often than not.
fn service_entry() -> impl Strategy<Value = String> {
    let lines = prop::sample::select(vec![
        "command: a 'b c'",
        "entrypoint: [x, '']",
        "environment: {A: , B: 1.5, C: 'x y', E: ''}",
        "environment: [A, B=c, 'D=']",
        "env_file: there",
        "labels: [a=b, c]",
        "tty: true",
        "labels: {a: 5, 'y': 'no', b2: '', b10: \"x\\ny\"}",
        "stop_grace_period: 90s",
        "ports: [80, '8080-8082:80-82/udp', {target: 5, published: 6, mode: host}]",
        "volumes: [/a, 'v1:/b:ro,nocopy', './x:/y:shared', {type: tmpfs, target: /t, tmpfs: {size: 5}}]",
        "networks: [n1, n2]",
        "networks: {n1: {aliases: [a]}, n2: }",
        "init: false",
        "ulimits: {nofile: 5, nproc: {soft: 1, hard: 3}}",
        "restart: on-failure:3",
        "deploy: {replicas: 0, update_config: {parallelism: 0, max_failure_ratio: 0.3, delay: 1m}}",
        "deploy: {mode: global, resources: {limits: {cpus: '0.5', memory: 64m}}, labels: {a: b}}",
        "deploy: ",
        "healthcheck: {test: curl x, interval: 1.5s, retries: 0}",
        "healthcheck: {}",
        "healthcheck: {disable: true}",
        "secrets: [s1, {source: s1, target: t, mode: 0440}]",
        "configs: [c1]",
        "extra_hosts: {a: 1.2.3.4}",
        "extra_hosts: ['b:[::1]', 'c=d']",
        "x-skep: {a: 1, b: [x, {c: ~}], d: true}",
        "x-long: {t: \" lead\\nx\\n\\n\", u: \"\\u2028 \\u0085\"}",
        "logging: {driver: d, options: {a: 1}}",
        "build: .",
        "dns: 1.1.1.1",
        "sysctls: {a: 0}",
        "expose: [1, '2']",
        "shm_size: 5",
        "depends_on: [web]",
        "credential_spec: {file: f}",
    ]);
    lines.prop_map(str::to_owned)
}

fn file() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::collection::vec(service_entry(), 0..8), 1..3).prop_map(|services| {
        let mut text = "services:\n".to_owned();
        for (index, entries) in services.into_iter().enumerate() {
            text.push_str(&format!("  s{index}:\n    image: x\n"));
            let mut seen = std::collections::BTreeSet::new();
            for entry in entries {
                if seen.insert(entry.split(':').next().unwrap().to_owned()) {
                    text.push_str(&format!("    {entry}\n"));
                }
            }
        }
        text.push_str("networks: {n1: , n2: {external: {name: o}, x-n: 1}}\nvolumes: {v1: {}}\n");
        text.push_str(
            "secrets: {s1: {file: there}}\nconfigs: {c1: {external: true}}\nx-top: [1.0]\n",
        );
        text
    })
}

/// Puts a tree where something else is expected.
fn broken_file() -> impl Strategy<Value = String> {
    (file(), tree(), key()).prop_map(|(file, tree, key)| format!("{file}  s9: {{{key}: {tree}}}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn arbitrary_text_is_read_or_refused(text in "\\PC{0,80}|[a-c:{}\\[\\]&*!|>'\"#%@`?,\\- \n\t0-9$]{0,60}") {
        let _ = load_text(&text);
    }

    #[test]
    fn arbitrary_trees_are_read_or_refused(tree in tree(), service in tree()) {
        for text in [format!("services: {{web: {service}}}\nx-a: 1"), format!("services: {tree}"), tree] {
            if let Some(loaded) = load_text(&text) {
                let _ = print(&loaded.project);
                let _ = convert("stack", &loaded.project, &NoFiles);
            }
        }
    }

    #[test]
    fn broken_files_are_read_or_refused(text in broken_file(), over in broken_file()) {
        let files = [SourceFile { name: "a", text: &text }, SourceFile { name: "b", text: &over }];
        if let Ok(loaded) = load(&files, &options(), &NoFiles) {
            let _ = convert("stack", &loaded.project, &NoFiles);
        }
    }

    #[test]
    fn what_is_printed_is_read_back_as_the_same(text in file()) {
        let loaded = load_text(&text).expect(&text);
        let printed = print(&loaded.project);
        // Variables are not escaped in print; there are none in these files.
        let again = load_text(&printed).expect(&printed);
        prop_assert_eq!(&again.project, &loaded.project, "{}", printed);
        prop_assert_eq!(print(&again.project), printed);
    }

    #[test]
    fn what_is_merged_is_printed_and_read_back_as_the_same(a in file(), b in file()) {
        let files = [SourceFile { name: "a", text: &a }, SourceFile { name: "b", text: &b }];
        let merged = load(&files, &options(), &NoFiles).expect("both are good");
        let printed = print(&merged.project);
        // Lists are put one behind the other: one item may be there twice, which no file may say.
        match load(&[SourceFile { name: "c", text: &printed }], &options(), &NoFiles) {
            Ok(again) => prop_assert_eq!(again.project, merged.project),
            Err(error) => prop_assert!(error.message.contains("must be unique"), "{}", error),
        }
    }

    #[test]
    fn any_text_survives_being_printed(key in "[^$]{1,12}", value in "[^$]{0,20}") {
        let text = format!("x-a: {}", serde_json::json!({ &key: value }));
        let Some(loaded) = load_text(&text) else { return Ok(()) };
        let printed = print(&loaded.project);
        let again = load_text(&printed);
        prop_assert_eq!(again.map(|l| l.project), Some(loaded.project), "{}", printed);
    }
}
