//! The house keeps its shape: which crate may know which, what may be depended on, and that every
//! guest has a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use skep_tests::repository;

/// Which crate of ours may depend on which. Arrows point down only; for tests of its own a crate may
/// not look up either.
const ARROWS: &[(&str, &[&str])] = &[
    ("skep-api", &[]),
    ("skep-wire", &["skep-api"]),
    ("skep-compose", &["skep-api"]),
    ("skep-template", &["skep-api"]),
    ("skep-images", &["skep-api"]),
    ("skep-manager-core", &["skep-api"]),
    ("skep-worker-core", &["skep-api"]),
    ("skep-runtime", &["skep-api"]),
    ("skep-manager", &["skep-api", "skep-manager-core", "skep-wire", "skep-images"]),
    ("skep-worker", &["skep-api", "skep-worker-core", "skep-runtime", "skep-images", "skep-wire"]),
    ("skep-gateway", &["skep-api", "skep-wire", "skep-template"]),
    (
        "skep-node",
        &[
            "skep-api",
            "skep-wire",
            "skep-manager",
            "skep-manager-core",
            "skep-worker",
            "skep-gateway",
            "skep-runtime",
            "skep-images",
        ],
    ),
    (
        "skep-cli",
        &["skep-api", "skep-node", "skep-compose", "skep-images", "skep-wire", "skep-template"],
    ),
    // The cores alone: what the simulator shows must not lean on any shell.
    ("sim", &["skep-api", "skep-manager-core", "skep-worker-core"]),
    // The demo and the measurements drive the same processes as the tests.
    ("xtask", &["skep-tests"]),
];

/// The harness may use everything but the tasks that run it.
const HARNESS: &str = "skep-tests";

/// What pure crates must not touch, by the crate that would bring it: clocks, randomness and I/O are
/// the shells' matter.
const PURE: &[&str] =
    &["skep-api", "skep-compose", "skep-template", "skep-manager-core", "skep-worker-core"];
const IMPURE: &[&str] = &["tokio", "tonic", "openraft", "redb", "hyper", "rustix", "getrandom"];

/// Licences that code under Apache-2.0 can be shipped with. All but two are permissive. MPL-2.0's
/// duties end at its own files, which nobody changes here. CDLA-Permissive-2.0 is for data alone.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A second of its kind: another TLS provider beside ring, another HTTP stack beside hyper, a YAML
/// parser that nobody maintains.
const UNWANTED: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl",
    "openssl-sys",
    "native-tls",
    "boring",
    "mbedtls",
    "schannel",
    "security-framework",
    "rustls-graviola",
    "curl",
    "curl-sys",
    "ureq",
    "isahc",
    "attohttpc",
    "minreq",
    "actix-web",
    "warp",
    "tiny_http",
    "oci-distribution",
    "serde_yaml",
    "sled",
];

/// Of these one version is enough, and two would be a second stack.
const ONCE: &[&str] = &[
    "hyper", "h2", "http", "rustls", "ring", "reqwest", "tokio", "tonic", "prost", "axum",
    "wasmtime",
];

fn metadata() -> Result<Metadata> {
    let manifest = repository().join("Cargo.toml");
    Ok(MetadataCommand::new().manifest_path(manifest).exec()?)
}

/// Our packages.
fn members(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

fn fine(problems: &[String]) -> Result<()> {
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

#[test]
fn arrows_point_down_only() -> Result<()> {
    let metadata = metadata()?;
    let ours: BTreeSet<&str> = members(&metadata).iter().map(|p| p.name.as_str()).collect();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut problems = Vec::new();
    for package in members(&metadata) {
        let to = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        let to: BTreeSet<&str> = to.filter(|name| ours.contains(name)).collect();
        if package.name == HARNESS {
            if to.contains("xtask") {
                problems.push(format!("{HARNESS} must not depend on xtask"));
            }
            continue;
        }
        match arrows.get(package.name.as_str()) {
            None => problems.push(format!("{} has no arrows in this test", package.name)),
            Some(allowed) => problems.extend(
                to.iter()
                    .filter(|name| !allowed.contains(name))
                    .map(|name| format!("{} must not depend on {name}", package.name)),
            ),
        }
    }
    fine(&problems)
}

#[test]
fn pure_crates_bring_no_clock_no_randomness_and_no_io() -> Result<()> {
    let metadata = metadata()?;
    let mut problems = Vec::new();
    for package in members(&metadata) {
        if !PURE.contains(&package.name.as_str()) {
            continue;
        }
        for dependency in &package.dependencies {
            let used = dependency.kind == DependencyKind::Normal;
            if used && IMPURE.contains(&dependency.name.as_str()) {
                problems.push(format!("{} is pure, {} is not", package.name, dependency.name));
            }
        }
    }
    fine(&problems)
}

#[test]
fn every_licence_goes_with_apache_2() -> Result<()> {
    let metadata = metadata()?;
    let mut problems = Vec::new();
    for package in &metadata.packages {
        match package.license.as_deref() {
            None => problems.push(format!("{} {} names no licence", package.name, package.version)),
            Some(licence) if !allowed(licence) => {
                problems.push(format!("{} {}: {licence}", package.name, package.version));
            }
            Some(_) => {}
        }
    }
    fine(&problems)
}

/// Whether an SPDX expression can be met with the allowed licences: of an OR one side is enough, of
/// an AND both are needed. Old manifests write `/` for OR.
fn allowed(expression: &str) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut met = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        let other = all_of(words, at);
        met = met || other;
    }
    met
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut met = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        let other = one(words, at);
        met = met && other;
    }
    met
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any_of(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = [&name, "WITH", words.get(*at + 1).copied().unwrap_or_default()].join(" ");
        *at += 2;
    }
    LICENCES.contains(&name.as_str())
}

#[test]
fn licence_expressions_are_understood() {
    for good in ["MIT", "MIT OR GPL-3.0", "MIT/Apache-2.0", "(GPL-2.0 OR MIT) AND Unicode-3.0"] {
        assert!(allowed(good), "{good}");
    }
    for bad in
        ["GPL-3.0-only", "MIT AND GPL-2.0", "(GPL-2.0 OR MIT", "", "Apache-2.0 WITH X", "MIT )"]
    {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn there_is_one_tls_provider_and_one_http_stack() -> Result<()> {
    let metadata = metadata()?;
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if UNWANTED.contains(&name) && is_used(&metadata, package) {
            problems.push(format!("{name} {} is not wanted", package.version));
        }
        versions.entry(name).or_default().insert(package.version.to_string());
    }
    for name in ONCE {
        if let Some(found) = versions.get(name).filter(|found| found.len() > 1) {
            problems.push(format!("{name} is there in several versions: {found:?}"));
        }
    }
    fine(&problems)
}

/// Whether the package is part of what is built here: some are for other systems alone.
fn is_used(metadata: &Metadata, package: &Package) -> bool {
    let Some(resolve) = &metadata.resolve else { return true };
    let elsewhere = ["windows", "macos", "apple", "wasm", "hermit", "android", "ios"];
    resolve.nodes.iter().flat_map(|node| &node.deps).filter(|dep| dep.pkg == package.id).any(
        |dep| {
            dep.dep_kinds.iter().any(|kind| {
                let target = kind.target.as_ref().map(ToString::to_string).unwrap_or_default();
                !elsewhere.iter().any(|system| target.contains(system))
            })
        },
    )
}

#[test]
fn everything_comes_from_the_registry_in_a_stated_version() -> Result<()> {
    let metadata = metadata()?;
    let ours: BTreeSet<_> = members(&metadata).iter().map(|p| p.id.clone()).collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let registry = package.source.as_ref().is_some_and(|source| source.is_crates_io());
        if !registry && !ours.contains(&package.id) {
            problems.push(format!("{} does not come from crates.io", package.name));
        }
        if ours.contains(&package.id) {
            let unstated = package.dependencies.iter().filter(|dependency| {
                dependency.path.is_none() && dependency.req.to_string() == "*"
            });
            problems
                .extend(unstated.map(|d| format!("{}: {} has no version", package.name, d.name)));
        }
    }
    fine(&problems)
}

#[test]
fn every_crate_takes_the_workspace_lints_licence_and_edition() -> Result<()> {
    let metadata = metadata()?;
    let mut problems = Vec::new();
    for package in members(&metadata) {
        let text = fs::read_to_string(&package.manifest_path)?;
        for line in
            ["[lints]\nworkspace = true", "license.workspace = true", "edition.workspace = true"]
        {
            if !text.contains(line) {
                problems.push(format!("{} lacks `{}`", package.name, line.replace('\n', " ")));
            }
        }
    }
    fine(&problems)
}

/// Guests that are built: packages of the guest workspaces with a binary or a component.
fn guests() -> Result<BTreeSet<String>> {
    let mut guests = BTreeSet::new();
    for workspace in ["samples", "tests/guests"] {
        let manifest = repository().join(workspace).join("Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
        for target in metadata.packages.iter().flat_map(|package| &package.targets) {
            if target.is_bin() || target.is_cdylib() {
                guests.insert(target.name.replace('_', "-"));
            }
        }
    }
    Ok(guests)
}

#[test]
fn every_guest_has_a_test() -> Result<()> {
    let metadata = metadata()?;
    let this = repository().join("tests/tests/structure.rs");
    let mut tests = String::new();
    for package in members(&metadata) {
        let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
        let mut sources = skep_tests::files_below(&folder.join("tests").into_std_path_buf())?;
        if package.name == HARNESS {
            // It drives the samples.
            sources.extend(skep_tests::files_below(&folder.join("src").into_std_path_buf())?);
        }
        let guests = repository().join("tests/guests");
        for source in sources.iter().filter(|path| !path.starts_with(&guests) && **path != this) {
            if source.extension().is_some_and(|extension| extension == "rs") {
                tests += &fs::read_to_string(source)?;
            }
        }
    }
    let unused = |name: &&String| {
        !tests.contains(&format!("\"{name}\"")) && !tests.contains(&format!("{name}.wasm"))
    };
    let problems: Vec<String> = guests()?
        .iter()
        .filter(unused)
        .map(|name| format!("no test uses the guest `{name}`"))
        .collect();
    fine(&problems)
}
