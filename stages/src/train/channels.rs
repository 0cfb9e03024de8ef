//! What a training job reads: rows as CSV in the bucket, in as many objects as its instances can share.

use std::sync::Arc;

use bytes::Bytes;
use trainer::{Division, Table, write_channel};

use crate::{Ctx, StageError, objects};

/// Rows of one object at most, so that what is in memory and in one request has a bound: about 60 MB.
const OBJECT_ROWS: usize = 200_000;
/// Numbers of one object at most: far below the 5 GB that one request puts. Source: S3 API reference, `PutObject`.
const OBJECT_CELLS: usize = 6_000_000;

/// The rows to train on, and those that early stopping watches.
pub(super) const TRAIN: &str = "train";
pub(super) const VALIDATION: &str = "validation";

/// Uploads the channels to `<folder>train/` and `<folder>validation/`.
pub(super) async fn upload(
    ctx: &Ctx<'_>,
    bucket: &str,
    folder: &str,
    (table, division): (&Arc<Table>, &Division),
    instances: usize,
) -> Result<(), StageError> {
    if division.train.len() < instances {
        let why = format!("there are {} rows to train on, and `instances` has {instances}", division.train.len());
        return Err(StageError::here("could not share the rows among the instances", why));
    }
    (ctx.say)(format!("uploading {} rows", division.train.len() + division.validation.len()));
    // Every instance watches all of them, so that they need not be enough to share.
    for (channel, rows, sharing) in [(TRAIN, &division.train, instances), (VALIDATION, &division.validation, 1)] {
        for (index, rows) in shards(rows, sharing, object_rows(table.features().len())).into_iter().enumerate() {
            let bytes = written(table, rows).await?;
            objects::put(ctx, bucket, &format!("{folder}{channel}/part-{index:05}.csv"), bytes).await?;
        }
    }
    Ok(())
}

/// Rows of one object at most, with so many features and the label.
fn object_rows(features: usize) -> usize {
    (OBJECT_CELLS / (features + 1)).clamp(1, OBJECT_ROWS)
}

/// Divides rows into parts in their order, as many for each instance, whose sizes differ by one at most.
fn shards(rows: &[usize], instances: usize, object_rows: usize) -> Vec<Vec<usize>> {
    let count = instances * rows.len().div_ceil(object_rows * instances);
    let bound = |index: usize| rows.len() * index / count;
    (0..count).map(|index| rows[bound(index)..bound(index + 1)].to_vec()).collect()
}

async fn written(table: &Arc<Table>, rows: Vec<usize>) -> Result<Bytes, StageError> {
    let table = Arc::clone(table);
    let written = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![];
        write_channel(&table, &rows, &mut bytes).map(|()| Bytes::from(bytes))
    });
    let written = written.await.map_err(|error| StageError::here("writing the rows stopped", error))?;
    written.map_err(|error| StageError::here("could not write the rows", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instance_has_as_many_objects_and_nearly_as_many_rows() {
        let sizes = |rows: usize, instances: usize| {
            let rows: Vec<usize> = (0..rows).collect();
            let shards = shards(&rows, instances, OBJECT_ROWS);
            assert_eq!(shards.concat(), rows);
            shards.into_iter().map(|shard| shard.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(10, 1), [10]);
        assert_eq!(sizes(10, 3), [3, 3, 4]);
        assert_eq!(sizes(3, 3), [1, 1, 1]);
        assert_eq!(sizes(OBJECT_ROWS * 2 + 1, 2), [100_000, 100_000, 100_000, 100_001]);
        assert_eq!(sizes(0, 1), Vec::<usize>::new());
    }

    #[test]
    fn an_object_has_fewer_rows_the_more_columns_they_have() {
        assert_eq!([29, 30, 9_999, 10_000_000].map(object_rows), [OBJECT_ROWS, 193_548, 600, 1]);
        assert_eq!(shards(&[7, 8, 9], 1, 2), [vec![7], vec![8, 9]]);
    }
}
