//! What every backend must pass, as code: a new backend is done when [`run`] returns.
//!
//! The cases look through [`Storage`] only. What takes a look behind it, such as what a crash leaves, is the matter of
//! each backend's own tests.

mod buckets;
mod commits;
mod events;
mod lifecycle;
mod reads;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use super::{BoxFuture, Commit, CommitError, Committed, Expect, Key, NewDelivery, NewEvent, Storage, Version, Write};

/// Runs every case on a store of its own, which `open` has to make new and empty.
///
/// # Panics
///
/// With a sentence about what does not hold, as soon as a case fails. Needs a tokio runtime.
pub async fn run(open: impl Fn() -> Arc<dyn Storage>) {
    commits::putting_getting_and_deleting(open()).await;
    commits::versions_are_never_used_twice(open()).await;
    commits::of_several_writes_the_last_counts(open()).await;
    commits::a_conflict_leaves_nothing_behind(open()).await;
    commits::one_of_many_waiting_commits_wins(open()).await;
    commits::a_waiting_commit_sees_those_before_it(open()).await;
    commits::too_many_operations_are_refused(open()).await;
    commits::what_belongs_to_the_store_is_refused(open()).await;
    commits::metrics_are_merged(open()).await;
    buckets::appearing_and_going_move_a_bucket(open()).await;
    buckets::what_changes_nothing_moves_nothing(open()).await;
    buckets::a_moved_bucket_is_a_conflict(open()).await;
    buckets::a_list_and_its_version_belong_together(open()).await;
    events::sequences_have_no_gaps(open()).await;
    events::deliveries_have_their_ordinals(open()).await;
    events::signals_tell_where_to_look(open()).await;
    events::a_foreign_sequence_is_not_given_out_again(open()).await;
    reads::ranges_are_ordered_and_bounded(open()).await;
    reads::a_range_can_begin_anywhere(open()).await;
    reads::a_limit_holds(open()).await;
    lifecycle::a_dropped_caller_cancels_nothing(open()).await;
    lifecycle::a_closed_store_refuses(open()).await;
    lifecycle::closing_finishes_what_was_handed_over(open()).await;
}

/// Hands all commits over in this order before the first answer is read, so that they wait together.
async fn commit_together(storage: &dyn Storage, commits: Vec<Commit>) -> Vec<Result<Committed, CommitError>> {
    let mut waiting = Vec::new();
    for commit in commits {
        let mut future = storage.commit(commit);
        let early = hand_over(&mut future).await;
        waiting.push((future, early));
    }
    let mut answers = Vec::new();
    for (future, early) in waiting {
        answers.push(match early {
            Some(answer) => answer,
            None => future.await,
        });
    }
    answers
}

/// Goes as far with a commit as one can without waiting: there is room in the queue, so it is handed over then.
async fn hand_over<T>(future: &mut BoxFuture<'_, T>) -> Option<T> {
    // Tokio lets a task do only so much at a time; this begins a new measure.
    tokio::task::yield_now().await;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A commit that has to succeed.
async fn commit(storage: &dyn Storage, commit: Commit) -> Committed {
    storage.commit(commit).await.expect("this commit asks for nothing that could be refused")
}

/// Writes that have to succeed; the version that they got.
async fn write(storage: &dyn Storage, writes: impl IntoIterator<Item = Write>) -> Version {
    commit(storage, writing(writes)).await.version
}

fn writing(writes: impl IntoIterator<Item = Write>) -> Commit {
    Commit { writes: writes.into_iter().collect(), ..Commit::default() }
}

fn expecting(expect: Expect, writes: impl IntoIterator<Item = Write>) -> Commit {
    Commit { expects: vec![expect], ..writing(writes) }
}

fn emitting(events: impl IntoIterator<Item = NewEvent>) -> Commit {
    Commit { events: events.into_iter().collect(), ..Commit::default() }
}

fn event(body: &str, plugins: &[&str]) -> NewEvent {
    let delivery =
        |plugin: &&str| NewDelivery { plugin: (*plugin).to_owned(), body: text(&format!("{body} to {plugin}")) };
    NewEvent { body: text(body), deliveries: plugins.iter().map(delivery).collect() }
}

fn kv(bucket: &str, key: &str) -> Key {
    Key::Kv { bucket: bucket.to_owned(), key: key.to_owned() }
}

fn trial(id: &str) -> Key {
    Key::Trial(id.to_owned())
}

fn put(key: Key, value: &str) -> Write {
    Write::Put(key, text(value))
}

fn text(value: &str) -> Bytes {
    Bytes::copy_from_slice(value.as_bytes())
}

/// The version and the value of a key.
fn get(storage: &dyn Storage, key: &Key) -> Option<(Version, Bytes)> {
    let found = storage.get(key).expect("the store can be read");
    found.map(|found| (found.version, found.value))
}
