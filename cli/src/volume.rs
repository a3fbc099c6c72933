//! `skep volume`: the volumes of the node that is asked.

use skep_wire::pb;

use crate::args::{self, ListArgs};
use crate::client::Client;
use crate::error::{CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::{filter, inspect, pretty};

const COLUMNS: &[Column] = &[("Driver", "DRIVER"), ("Name", "VOLUME NAME")];
const FURTHER: &[Column] =
    &[("Labels", "LABELS"), ("Mountpoint", "MOUNTPOINT"), ("Scope", "SCOPE"), ("Links", "LINKS")];

pub(crate) async fn run(client: &Client, verb: args::Volume) -> CliResult<()> {
    match verb {
        args::Volume::Ls(list) => ls(client, &list).await,
        args::Volume::Inspect(args) => {
            let not_found =
                |name: &str| format!("Error response from daemon: get {name}: no such volume");
            inspect::run(client, &args, "/volumes/", "", not_found, pretty::json).await
        }
        args::Volume::Rm { force, names } => {
            let mut errors = Errors::default();
            for name in names.names {
                let request = pb::VolumeByName { name: name.clone(), force };
                match client.node().remove_volume(request).await {
                    Ok(_) => out::line(&name)?,
                    Err(status) => errors.push(status.into()),
                }
            }
            errors.into_result()
        }
    }
}

async fn ls(client: &Client, args: &ListArgs) -> CliResult<()> {
    let mut request = pb::ListVolumesRequest::default();
    for (key, value) in filter::pairs(&args.filters, &["name", "label"])? {
        match key {
            "name" => request.name_parts.push(value.to_owned()),
            _ => request.labels.push(value.to_owned()),
        }
    }
    let volumes = client.node().list_volumes(request).await?.into_inner().volumes;
    let rows = volumes
        .into_iter()
        .map(|volume| {
            let labels: Vec<String> =
                volume.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            row([
                ("Driver", "local".into()),
                ("Name", volume.name.into()),
                ("Labels", labels.join(",").into()),
                ("Mountpoint", volume.mountpoint.into()),
                ("Scope", "local".into()),
                ("Links", volume.used_by.len().to_string().into()),
            ])
        })
        .collect();
    let list = List { columns: COLUMNS, further: FURTHER, quiet_key: "Name", rows };
    list.print(args.format.as_deref(), args.quiet)
}
