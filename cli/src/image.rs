//! `skep image`: the store of the node that is asked.

use std::path::Path;

use skep_api::{Bytes, SecretBytes, Time};
use skep_wire::pb;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::ago::ago;
use crate::args::{self, ListArgs};
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::{filter, inspect, pretty, registry_auth};

/// How much of a component goes into one message of the upload.
const CHUNK_BYTES: usize = 256 << 10;

const COLUMNS: &[Column] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("Kind", "KIND"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
];

pub(crate) async fn run(client: &Client, verb: args::Image) -> CliResult<()> {
    match verb {
        args::Image::Load { tag, file } => load(client, &tag, &file).await,
        args::Image::Pull { quiet, image } => {
            let registry_auth = auth(&image)?;
            let request = pb::PullImageRequest { image: image.clone(), registry_auth };
            let stream = client.node().pull_image(request).await?.into_inner();
            let pulled = follow(stream, quiet).await?;
            let digest = pulled.map(|image| image.digest).unwrap_or_default();
            if quiet { out::line(&image) } else { out::line(&format!("Digest: {digest}\n{image}")) }
        }
        args::Image::Push { quiet, image } => {
            let registry_auth = auth(&image)?;
            let request = pb::PushImageRequest { image: image.clone(), registry_auth };
            let stream = client.node().push_image(request).await?.into_inner();
            let pushed = follow(stream, quiet).await?;
            let digest = pushed.map(|image| image.digest).unwrap_or_default();
            if quiet { out::line(&image) } else { out::line(&format!("{image}: digest: {digest}")) }
        }
        args::Image::Ls(list) => ls(client, &list).await,
        args::Image::Inspect(args) => {
            let not_found =
                |name: &str| format!("Error response from daemon: No such image: {name}");
            inspect::run(client, &args, "/images/", "/json", not_found, pretty::json).await
        }
        args::Image::Rm { force, names } => rm(client, force, &names.names).await,
    }
}

fn auth(image: &str) -> CliResult<Option<Vec<u8>>> {
    Ok(registry_auth::for_image(image)?.map(|auth: SecretBytes| auth.expose().to_vec()))
}

async fn load(client: &Client, tag: &str, file: &Path) -> CliResult<()> {
    let source: Box<dyn AsyncRead + Send + Unpin> = if file.as_os_str() == "-" {
        Box::new(tokio::io::stdin())
    } else {
        let opened = tokio::fs::File::open(file).await;
        Box::new(opened.map_err(|error| {
            CliError::new(format!("open {}: {}", file.display(), crate::flags::os_text(&error)))
        })?)
    };
    let first = pb::LoadImageRequest { tag: tag.to_owned(), data: Vec::new() };
    let chunks = futures_util::stream::unfold(source, |mut source| async move {
        let mut data = vec![0; CHUNK_BYTES];
        // A read error ends the upload; the daemon then refuses what is not a whole component.
        let read = source.read(&mut data).await.unwrap_or(0);
        data.truncate(read);
        (read > 0).then(|| (pb::LoadImageRequest { tag: String::new(), data }, source))
    });
    let stream = futures_util::StreamExt::chain(futures_util::stream::iter([first]), chunks);
    let loaded = client.node().load_image(stream).await?.into_inner();
    let image = loaded.image.unwrap_or_default();
    out::line(&format!("Loaded image: {tag}\n{}", image.digest))
}

async fn follow(
    mut stream: tonic::Streaming<pb::ImageProgress>,
    quiet: bool,
) -> CliResult<Option<pb::Image>> {
    let (mut image, mut last) = (None, String::new());
    while let Some(progress) = stream.message().await? {
        if progress.image.is_some() {
            image = progress.image;
        }
        if !quiet && !progress.status.is_empty() && progress.status != last {
            out::note(&progress.status);
            last = progress.status;
        }
    }
    Ok(image)
}

async fn ls(client: &Client, args: &ListArgs) -> CliResult<()> {
    let references = filter::pairs(&args.filters, &["reference"])?;
    let references = references.into_iter().map(|(_, value)| value.to_owned()).collect();
    let images = client.node().list_images(pb::ListImagesRequest { references }).await?;
    let mut rows = Vec::new();
    for image in images.into_inner().images {
        let id = image.digest.trim_start_matches("sha256:").chars().take(12).collect::<String>();
        let names = if image.tags.is_empty() { vec![String::new()] } else { image.tags };
        for name in names {
            let (repository, tag) = split_tag(&name);
            rows.push(row([
                ("Repository", repository.into()),
                ("Tag", tag.into()),
                ("ID", id.clone().into()),
                ("Digest", image.digest.clone().into()),
                ("Kind", image.kind.clone().into()),
                ("CreatedSince", ago(Time::from_secs(image.created_secs)).into()),
                ("Size", Bytes(image.size).to_string().into()),
            ]));
        }
    }
    let list = List { columns: COLUMNS, further: &[("Digest", "DIGEST")], quiet_key: "ID", rows };
    list.print(args.format.as_deref(), args.quiet)
}

/// `host:5000/web:1.0` as `host:5000/web` and `1.0`.
fn split_tag(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ if name.is_empty() => ("<none>", "<none>"),
        _ => (name, "latest"),
    }
}

async fn rm(client: &Client, force: bool, names: &[String]) -> CliResult<()> {
    let mut errors = Errors::default();
    for name in names {
        let request = pb::ImageByName { name: name.clone(), force };
        match client.node().remove_image(request).await {
            Ok(removed) => {
                let removed = removed.into_inner();
                for name in removed.untagged {
                    out::line(&format!("Untagged: {name}"))?;
                }
                for digest in removed.deleted {
                    out::line(&format!("Deleted: {digest}"))?;
                }
            }
            Err(status) => errors.push(status.into()),
        }
    }
    errors.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert_eq!(split_tag("host:5000/web:1.0"), ("host:5000/web", "1.0"));
        assert_eq!(split_tag("host:5000/web"), ("host:5000/web", "latest"));
        assert_eq!(split_tag(""), ("<none>", "<none>"));
    }
}
