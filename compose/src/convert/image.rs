//! Whether every service has an image that can be one.

use std::sync::LazyLock;

use regex::Regex;

use crate::ComposeError;
use crate::model::Project;

/// Checks all services' images before anything else is looked at, as Docker does.
pub(crate) fn check(project: &Project) -> Result<(), ComposeError> {
    for (name, service) in &project.services {
        if let Err(why) = reference(&service.image) {
            let text = format!("invalid image reference for service {name}: {why}");
            let hint = match service.image.is_empty() {
                true => format!("add `image:` to the service `{name}`"),
                false => format!(
                    "{:?} is not [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST] in lower case",
                    service.image
                ),
            };
            return Err(ComposeError::new(text).hint(hint));
        }
    }
    Ok(())
}

/// `host:5000/path/name:tag@sha256:digest`, as Docker's reference library has it.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let part = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    let tag = r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}";
    let text = format!("^(?:{host}/)?{part}(?:/{part})*(?::{tag})?(?:@{digest})?$");
    Regex::new(&text).ok()
});

/// How long a name may be, its host included (Docker's limit).
const NAME_BYTES_MAX: usize = 255;

fn reference(image: &str) -> Result<(), String> {
    if image.is_empty() {
        return Err("no image specified".to_owned());
    }
    let name = name_of(image);
    if REFERENCE.as_ref().is_some_and(|pattern| pattern.is_match(image)) {
        return match name.len() > NAME_BYTES_MAX {
            true => {
                Err(format!("repository name must not be more than {NAME_BYTES_MAX} characters"))
            }
            false => Ok(()),
        };
    }
    let lower = image.to_ascii_lowercase();
    if lower != image && REFERENCE.as_ref().is_some_and(|pattern| pattern.is_match(&lower)) {
        return Err(format!(
            "invalid reference format: repository name ({name}) must be lowercase"
        ));
    }
    Err("invalid reference format".to_owned())
}

/// The reference without its tag and digest.
fn name_of(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_checked() {
        let digest = "a".repeat(64);
        for good in [
            "web",
            "web:1.0",
            "localhost:5000/team/web:v2",
            "registry.example/a/b__c-d.e",
            &format!("web:1@sha256:{digest}"),
            "[::1]:5000/web",
        ] {
            assert_eq!(reference(good), Ok(()), "{good}");
        }
        assert_eq!(reference(""), Err("no image specified".into()));
        for bad in ["web:", "a//b", "/a", "web@sha256:12", " web", "web:ä", "-a", "a b"] {
            assert_eq!(reference(bad), Err("invalid reference format".into()), "{bad}");
        }
        assert_eq!(
            reference("Team/Web:1"),
            Err("invalid reference format: repository name (Team/Web) must be lowercase".into())
        );
        let long = format!("{}/b", "a".repeat(255));
        assert!(reference(&long).is_err_and(|why| why.contains("more than 255")));
    }
}
