use expect_test::expect;
use skep_api::{IdGen, Mode, ServiceSpec, UpdateConfig};

use crate::testing::{check, cluster, service_spec};
use crate::*;

fn refused(mode: Mode, change: impl FnOnce(&mut ServiceSpec)) -> Option<String> {
    let mut spec = ServiceSpec { mode, ..service_spec("batch", &[]) };
    change(&mut spec);
    let view = cluster("").view();
    let admitted = admit_create_service(&view, spec, &mut IdGen::from_u64(9));
    admitted.err().map(|error| format!("{}: {}", error.kind.rpc_name(), error.message))
}

fn job(max_concurrent: u64, total_completions: u64) -> Mode {
    Mode::ReplicatedJob { max_concurrent, total_completions }
}

#[test]
fn behaviour_91_and_93_modes_are_checked_and_jobs_have_no_update_config() {
    let minus_one = u64::MAX;
    for (mode, text) in [
        (job(minus_one, 1), "Maximum concurrent jobs must not be negative"),
        (job(1, minus_one), "Total completed jobs must not be negative"),
        (job(1, 1_000_001), "total completed jobs must be between 0 and 1000000, got 1000001"),
        (job(1_000_001, 1), "maximum concurrent jobs must be between 0 and 1000000, got 1000001"),
    ] {
        assert_eq!(refused(mode, |_| {}), Some(format!("InvalidArgument: {text}")), "{mode:?}");
    }
    for mode in [Mode::Global, Mode::GlobalJob, job(0, 0), job(5, 2), job(1, 1_000_000)] {
        assert_eq!(refused(mode, |_| {}), None, "{mode:?}");
    }
    let config = || Some(UpdateConfig::default());
    let text = Some("InvalidArgument: Jobs may not have an update config".to_owned());
    for mode in [Mode::GlobalJob, job(1, 1)] {
        assert_eq!(refused(mode, |spec| spec.update = config()), text, "{mode:?}");
        assert_eq!(refused(mode, |spec| spec.rollback = config()), text, "{mode:?}");
    }
    assert_eq!(refused(Mode::Global, |spec| spec.update = config()), None);
}

#[test]
fn behaviour_93_every_update_of_a_job_begins_another_iteration() {
    for mode in ["mode=job:1/1", "mode=global-job"] {
        let mut cluster = cluster(&format!("svc batch {mode} restart=any"));
        let job = |cluster: &crate::testing::Cluster| {
            let view = cluster.view();
            let job = view.service_named("batch").and_then(|service| service.job);
            job.map(|job| (job.iteration, job.last_execution))
        };
        let start = cluster.view().time();
        assert_eq!(job(&cluster), Some((0, start)));
        let mut times = vec![start];
        for (iteration, change) in [(1, "force=1"), (2, "label=x"), (3, ""), (4, "image=web:2")] {
            cluster.run(&format!("wait 10\nupdate batch {change}"));
            let now = cluster.view().time();
            assert_eq!(job(&cluster), Some((iteration, now)), "{change}");
            times.push(now);
        }
        assert!(times.is_sorted_by(|a, b| a < b));
        // What managers write themselves is no update.
        cluster.run("node n1\nrun");
        assert_eq!(job(&cluster).map(|job| job.0), Some(4));
    }
    let mut web = cluster("svc web");
    web.run("update web image=web:2");
    assert_eq!(web.view().service_named("web").and_then(|service| service.job), None);
}

#[test]
fn a_jobs_rollback_begins_another_iteration_and_a_mode_stays_what_it_is() {
    check(
        "node n1
         svc batch mode=job:1/1
         run
         update batch image=web:2
         rollback batch
         decide
         update batch mode=global-job
         update batch mode=job:1/2
         decide
         show",
        expect![[r#"
            Unimplemented: service mode change is not allowed
            batch.0 running n1 desired=remove
            batch.0 assigned n1 desired=remove iteration=2
            batch.0 assigned n1 desired=ready iteration=3
            --
        "#]],
    );
}
