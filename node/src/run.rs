//! The node's life: start, serve, stop.

use std::future::Future;

use skep_api::{Error, Result};
use skep_images::{ImageStore, ImagesConfig, default_docker_config};
use skep_runtime::{Runtime, RuntimeConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::NodeConfig;
use crate::folder::Folder;
use crate::routes::Routes;
use crate::swarm::{Machine, Swarm};
use crate::{listen, memory, system};

/// Completes when the process is told to stop, by SIGTERM or SIGINT.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Runs a node until `stop` completes. Nothing is served before all that the node knew is back.
pub async fn run(config: NodeConfig, stop: impl Future<Output = ()>) -> Result<()> {
    system::set_limits();
    for warning in system::warnings() {
        tracing::warn!("{}", warning.trim_start_matches("WARNING: "));
    }
    let folder = Folder::open(&config.data_root)?;
    let images = ImagesConfig {
        host_offers: skep_runtime::host_offers,
        default_registry: config.default_registry.clone(),
        insecure_registries: config.insecure_registries.clone(),
        ca_files: config.registry_cas.clone(),
        docker_config: default_docker_config(),
    };
    let images = ImageStore::open(&folder.images(), images).map_err(Error::from)?;
    let runtime = Runtime::new(RuntimeConfig { cache_dir: folder.cache() });
    let routes = Routes::new();
    let machine = Machine { folder, images, runtime, config: config.clone() };
    let swarm = Swarm::start(machine, routes.clone()).await?;
    routes.set_docker(skep_gateway::router(memory::channel(routes.grpc())));

    let serving = CancellationToken::new();
    let places = listen::open(&config, &routes, &serving).await?;
    for place in &places {
        tracing::info!("listening on {place}");
    }
    swarm.set_listening(places);
    system::notify("READY=1");
    stop.await;
    tracing::info!("stopping");
    system::notify("STOPPING=1");
    serving.cancel();
    swarm.stop().await;
    for listen in &config.listen {
        if let crate::config::Listen::Unix(path) = listen {
            // Gone already, or somebody else's by now: either way not ours to worry about.
            let _ = std::fs::remove_file(path);
        }
    }
    Ok(())
}
