//! The daemon's TCP socket: certificates on both sides, or loopback in clear without browsers.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use skep_tests::{Daemon, Setup, free_port, http};

fn with_args(args: &[&str]) -> Setup {
    Setup { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..Setup::default() }
}

#[test]
fn loopback_in_clear_serves_programs_and_no_pages() -> Result<()> {
    let port = free_port()?;
    let address = format!("tcp://127.0.0.1:{port}");
    let daemon = Daemon::start_with(with_args(&["-H", &address, "--insecure-loopback"]))?;
    daemon.skep(&["-H", &address, "swarm", "init"])?.ok()?;
    assert!(daemon.skep(&["-H", &address, "info"])?.ok()?.contains("Swarm: active"));
    assert_eq!(http::get(port, "/_ping")?.status, 200);
    let page = http::send(port, "GET", "/info", &[("origin", "http://localhost")], b"")?;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("requests of web pages are refused"), "{page:?}");
    Ok(())
}

#[test]
fn tcp_without_certificates_is_not_opened_by_accident() -> Result<()> {
    let mut daemon = Daemon::start()?;
    daemon.stop()?;
    let address = format!("tcp://127.0.0.1:{}", free_port()?);
    let daemon = Daemon::start_with(with_args(&["-H", &address]));
    let error = format!("{:#}", daemon.map(drop).expect_err("the daemon does not start"));
    assert!(error.contains("needs certificates"), "{error}");
    assert!(error.contains("--insecure-loopback"), "the way out is told: {error}");
    Ok(())
}

/// Writes `NAME.pem` and `NAME-key.pem`, signed by `issuer`.
fn certificate(folder: &Path, name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<()> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let certificate = params.signed_by(&key, issuer)?;
    fs::write(folder.join(format!("{name}.pem")), certificate.pem())?;
    fs::write(folder.join(format!("{name}-key.pem")), key.serialize_pem())?;
    Ok(())
}

fn authority(folder: &Path, name: &str) -> Result<Issuer<'static, KeyPair>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key)?.pem())?;
    Ok(Issuer::new(params, key))
}

#[test]
fn tcp_lets_in_who_has_a_certificate_of_its_authority() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = authority(folder.path(), "ca")?;
    let other = authority(folder.path(), "other")?;
    certificate(folder.path(), "node", &ours)?;
    certificate(folder.path(), "client", &ours)?;
    certificate(folder.path(), "stranger", &other)?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let port = free_port()?;
    let address = format!("tcp://127.0.0.1:{port}");
    let (ca, cert, key) = (file("ca.pem"), file("node.pem"), file("node-key.pem"));
    let tls = ["--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &key];
    let daemon = Daemon::start_with(with_args(&[&["-H", &address], &tls[..]].concat()))?;

    let info = |name: &str| {
        let (cert, key) = (file(&format!("{name}.pem")), file(&format!("{name}-key.pem")));
        let tls = ["--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &key];
        daemon.skep(&[&["-H", &address], &tls[..], &["info"]].concat())
    };
    assert!(info("client")?.ok()?.contains("Swarm: inactive"));
    info("stranger")?.refused()?;
    daemon.skep(&["-H", &address, "info"])?.refused()?;
    assert!(http::get(port, "/_ping").map_or(true, |answer| answer.status != 200));
    Ok(())
}

#[test]
fn settings_come_from_a_file_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("skep.toml");
    fs::write(&file, "node-name = \"from-the-file\"\nlog-max = \"64k\"\n")?;
    let daemon = Daemon::start_with(with_args(&["--config", &file.to_string_lossy()]))?;
    assert!(daemon.skep(&["info"])?.ok()?.contains("Name: from-the-file"));
    fs::write(&file, "node_name = \"x\"\n")?;
    let refused = daemon.start_refused()?.refused()?;
    assert!(refused.contains("node_name") && refused.contains("hint: the keys are"), "{refused}");
    Ok(())
}
