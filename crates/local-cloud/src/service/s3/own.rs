//! Objects as the cloud's other services read and write them: without a request, the caller's rights checked by them.

use std::fs::File;
use std::io;
use std::path::Path;

use super::bodies;
use super::checksum::Claim;
use super::condition::Condition;
use super::meta::Said;
use super::object::content_of;
use super::{S3, refuse};
use crate::call::Refusal;

impl S3 {
    /// Keys of current objects that begin with `prefix`, sorted. None when the bucket is absent.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Option<Vec<String>> {
        self.index.read(|index| {
            let bucket = index.bucket(bucket).ok()?;
            let keys = bucket.objects.range(prefix.to_owned()..).map(|(key, _)| key);
            let keys = keys.take_while(|key| key.starts_with(prefix));
            Some(keys.filter(|key| bucket.current(key).is_some()).cloned().collect())
        })
    }

    /// Copies the current version of an object into a new file. False when there is no such object.
    pub fn copy_to_file(&self, bucket: &str, key: &str, path: &Path) -> io::Result<bool> {
        let Ok((_, _, mut body)) = self.open_version(bucket, key, None) else { return Ok(false) };
        io::copy(&mut body, &mut File::create_new(path)?)?;
        Ok(true)
    }

    /// Makes a file's content the current version of an object.
    pub async fn put_file(&self, bucket: &str, key: &str, path: &Path) -> Result<(), Refusal> {
        let meta = self.index.read(|index| Said::nothing().meta(index.bucket(bucket)?))?;
        let file = File::open(path).map_err(refuse::disk)?;
        let size = file.metadata().map_err(refuse::disk)?.len();
        let body = bodies::stream(file, &(0..size)).map_err(refuse::disk)?;
        let received = self.bodies.receive(bucket, body, &Claim::default(), None).await?;
        let content = content_of(&received, hex::encode(received.md5), meta, super::index::Tags::new());
        self.commit(bucket, key, content, &Condition::default(), received)?;
        Ok(())
    }
}

#[cfg(test)]
impl S3 {
    /// Makes a bucket with these objects for tests of other services.
    pub(crate) async fn bucket_for_test(&self, bucket: &str, objects: &[(&str, &str)]) {
        self.create_bucket(bucket, super::bucket::Wanted::default()).unwrap();
        for (key, body) in objects {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), body).unwrap();
            self.put_file(bucket, key, file.path()).await.unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::S3;
    use super::super::tests::config;

    #[tokio::test]
    async fn keys_are_found_by_prefix_and_bodies_come_back_as_they_went_in() {
        let dir = tempfile::tempdir().unwrap();
        let s3 = S3::open(&config(dir.path())).unwrap();
        s3.bucket_for_test("data", &[("a/1", "one"), ("a/2", "two"), ("ab", "three"), ("b", "four")]).await;
        assert_eq!(s3.keys("data", "a/").unwrap(), ["a/1", "a/2"]);
        assert_eq!(s3.keys("data", "a").unwrap().len(), 3);
        assert_eq!(s3.keys("nope", ""), None);
        assert!(s3.exists("data") && !s3.exists("nope"));
        let file = dir.path().join("copy");
        assert!(s3.copy_to_file("data", "a/2", &file).unwrap());
        assert_eq!(std::fs::read_to_string(file).unwrap(), "two");
        assert!(!s3.copy_to_file("data", "a/3", &dir.path().join("none")).unwrap());
        assert_eq!(s3.put_file("nope", "k", &dir.path().join("copy")).await.unwrap_err().code, "NoSuchBucket");
    }
}
