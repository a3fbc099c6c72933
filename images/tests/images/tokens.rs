//! Registries that want a token from a service beside them.

use skep_api::SecretBytes;
use skep_images::{Auth, Silent};

use crate::fake::{Artifact, Fake, Request, basic, endless, ok, status, with_header};
use crate::wasm::{TestStore, command, plain, shown};

fn password(password: &str) -> Auth {
    let password = SecretBytes::new(password.as_bytes().to_vec());
    Auth::Password { user: "ann".to_owned(), password }
}

/// A registry that takes the token `good`, and sends to `realm` for it.
async fn registry(realm: String) -> Fake {
    let artifact = Artifact::of(&command(""));
    let challenge = format!(r#"www-authenticate: Bearer realm="{realm}",service="the registry""#);
    Fake::start(move |request: &Request| {
        if request.authorization.as_deref() == Some("Bearer good") {
            return artifact.answer(request);
        }
        with_header("401 Unauthorized", &challenge, "{}")
    })
    .await
}

/// A token service that gives the token for the right password.
async fn service() -> Fake {
    let right = basic("ann", "right");
    Fake::start(move |request: &Request| match request.authorization.as_deref() {
        Some(given) if given == right => ok("application/json", br#"{"token":"good"}"#),
        Some(_) => status("401 Unauthorized", r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        None => ok("application/json", br#"{"access_token":"anonymous"}"#),
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_and_used() {
    let service = service().await;
    let fake = registry(format!("http://{}/token?a=b", service.host)).await;
    let name = format!("{}/me/web:1", fake.host);
    let test = TestStore::new(plain());
    test.store.pull(&name, &password("right"), &Silent).await.expect("pull");
    let asked = service.seen();
    assert_eq!(asked.len(), 1);
    let path = "/token?a=b&service=the+registry&scope=repository%3Ame%2Fweb%3Apull";
    assert_eq!(asked[0].path, path);
    let to_registry = fake.seen();
    assert!(to_registry.iter().all(|request| request.method == "GET"));
    let passwords = to_registry.iter().filter_map(|request| request.authorization.as_deref());
    assert!(passwords.into_iter().all(|value| value == "Bearer good"), "no password goes there");
}

#[tokio::test]
async fn without_the_right_password_access_is_denied_with_a_way_out() {
    let service = service().await;
    let fake = registry(format!("http://{}/token", service.host)).await;
    let name = format!("{}/me/web:1", fake.host);
    let test = TestStore::new(plain());
    let error = test.store.pull(&name, &password("wrong"), &Silent).await.expect_err("wrong");
    let error = shown(error);
    assert!(error.starts_with("PermissionDenied: registry `127.0.0.1:"), "{error}");
    assert!(error.contains("denies access to `me/web`: wrong password for `ann`"), "{error}");
    let error = test.store.resolve(&name, &Auth::FromConfig).await.expect_err("nobody");
    let error = shown(error);
    assert!(error.contains("it needs credentials") && error.contains("skep login"), "{error}");
    let token = Auth::Token(SecretBytes::new(b"good".to_vec()));
    test.store.resolve(&name, &token).await.expect("a token of the caller's own");
}

#[tokio::test]
async fn a_password_goes_to_no_token_service_without_encryption() {
    let fake = registry("http://tokens.example/token".to_owned()).await;
    let name = format!("{}/me/web:1", fake.host);
    let test = TestStore::new(plain());
    let error = test.store.pull(&name, &password("right"), &Silent).await.expect_err("plain");
    assert!(shown(error).contains("its token service is at `http://tokens.example/token`"));
}

#[tokio::test]
async fn a_token_service_cannot_fill_the_memory() {
    let noise = vec![b'x'; 1 << 20];
    let service = Fake::start(move |_| endless("200 OK", &noise)).await;
    let fake = registry(format!("http://{}/token", service.host)).await;
    let test = TestStore::new(plain());
    let name = format!("{}/me/web:1", fake.host);
    let error = test.store.pull(&name, &password("right"), &Silent).await.expect_err("endless");
    assert!(shown(error).contains("its answer is larger than 65536 bytes"));
}
