//! Raft's own words as protobuf, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::{BasicNode, CommittedLeaderId, EntryPayload, LeaderId};
use skep_wire::pb;

use super::{LogId, Membership, RaftEntry, SnapshotMeta, StoredMembership, Vote};
use crate::encode::{DecodeError, entry_from_pb, entry_to_pb, need};

pub(crate) fn log_id_to_pb(id: &LogId) -> pb::LogId {
    pb::LogId { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
}

pub(crate) fn log_id_from_pb(id: &pb::LogId) -> LogId {
    LogId::new(CommittedLeaderId::new(id.term, id.node), id.index)
}

pub(crate) fn vote_to_pb(vote: &Vote) -> pb::Vote {
    let LeaderId { term, node_id } = vote.leader_id;
    pb::Vote { term, node: node_id, committed: vote.committed }
}

pub(crate) fn vote_from_pb(vote: &pb::Vote) -> Vote {
    Vote { leader_id: LeaderId::new(vote.term, vote.node), committed: vote.committed }
}

pub(crate) fn log_entry_to_pb(entry: &RaftEntry) -> pb::LogEntry {
    use pb::log_entry::Payload;
    let payload = match &entry.payload {
        EntryPayload::Blank => Payload::Blank(true),
        EntryPayload::Normal(entry) => Payload::Normal(entry_to_pb(entry)),
        EntryPayload::Membership(membership) => Payload::Membership(members_to_pb(membership)),
    };
    pb::LogEntry { log_id: Some(log_id_to_pb(&entry.log_id)), payload: Some(payload) }
}

pub(crate) fn log_entry_from_pb(entry: pb::LogEntry) -> Result<RaftEntry, DecodeError> {
    use pb::log_entry::Payload;
    let log_id = log_id_from_pb(&need(entry.log_id, "log_id")?);
    let payload = match need(entry.payload, "payload")? {
        Payload::Blank(_) => EntryPayload::Blank,
        Payload::Normal(entry) => EntryPayload::Normal(Arc::new(entry_from_pb(entry)?)),
        Payload::Membership(members) => EntryPayload::Membership(members_from_pb(members)),
    };
    Ok(RaftEntry { log_id, payload })
}

pub(crate) fn snapshot_meta_to_pb(meta: &SnapshotMeta) -> pb::SnapshotMeta {
    let members = &meta.last_membership;
    pb::SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(log_id_to_pb),
        membership: Some(pb::StoredMembership {
            log_id: members.log_id().as_ref().map(log_id_to_pb),
            membership: Some(members_to_pb(members.membership())),
        }),
        id: meta.snapshot_id.clone(),
    }
}

pub(crate) fn snapshot_meta_from_pb(meta: pb::SnapshotMeta) -> Result<SnapshotMeta, DecodeError> {
    let stored = need(meta.membership, "membership")?;
    let members = members_from_pb(need(stored.membership, "membership")?);
    Ok(SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(log_id_from_pb),
        last_membership: StoredMembership::new(stored.log_id.as_ref().map(log_id_from_pb), members),
        snapshot_id: meta.id,
    })
}

fn members_to_pb(membership: &Membership) -> pb::Membership {
    let set = |ids: &BTreeSet<u64>| pb::MemberSet { ids: ids.iter().copied().collect() };
    let member = |(id, node): (&u64, &BasicNode)| pb::Member { id: *id, addr: node.addr.clone() };
    pb::Membership {
        configs: membership.get_joint_config().iter().map(set).collect(),
        members: membership.nodes().map(member).collect(),
    }
}

fn members_from_pb(membership: pb::Membership) -> Membership {
    let configs: Vec<BTreeSet<u64>> =
        membership.configs.into_iter().map(|set| set.ids.into_iter().collect()).collect();
    let nodes: BTreeMap<u64, BasicNode> =
        membership.members.into_iter().map(|m| (m.id, BasicNode::new(m.addr))).collect();
    Membership::new(configs, nodes)
}
