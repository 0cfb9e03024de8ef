//! The backend as a whole: what is visible, what is on disk, and what a restart finds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::dto::{
    CompleteMultipartUploadInput, CompletedMultipartUpload, CompletedPart, DeleteBucketInput, DeleteObjectInput, ETag,
    ETagCondition, GetObjectInput, PutBucketVersioningInput, PutObjectInput, StreamingBlob, UploadPartInput,
    VersioningConfiguration,
};
use s3s::{S3Error, S3Request, S3Result};

use super::S3;
use super::bucket::Wanted;
use crate::cloud::{Config, Delays};
use crate::state::StateError;

pub(super) fn config(dir: &Path) -> Config {
    Config {
        state_dir: dir.to_owned(),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
        base_url: "http://127.0.0.1:1".to_owned(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays::default(),
    }
}

fn with_bucket(dir: &Path) -> S3 {
    let s3 = S3::open(&config(dir)).unwrap();
    s3.create_bucket("data", Wanted::default()).unwrap();
    s3
}

pub(super) fn request<T>(input: T, headers: &[(&'static str, &str)]) -> S3Request<T> {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    S3Request {
        input,
        method: Method::PUT,
        uri: Uri::from_static("/"),
        headers,
        extensions: Extensions::default(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

fn body(bytes: &'static [u8]) -> StreamingBlob {
    s3s::Body::from(Bytes::from_static(bytes)).into()
}

pub(super) fn write(key: &str, body: StreamingBlob) -> PutObjectInput {
    let mut input = PutObjectInput::builder();
    input.set_bucket("data".to_owned()).set_key(key.to_owned());
    let mut input = input.build().unwrap();
    input.body = Some(body);
    input
}

fn delete(key: &str, version: Option<&str>) -> DeleteObjectInput {
    DeleteObjectInput {
        bucket: "data".to_owned(),
        key: key.to_owned(),
        version_id: version.map(str::to_owned),
        ..DeleteObjectInput::default()
    }
}

fn enable_versions(s3: &S3) {
    let input = PutBucketVersioningInput {
        bucket: "data".to_owned(),
        versioning_configuration: VersioningConfiguration {
            status: Some("Enabled".to_owned().into()),
            mfa_delete: None,
        },
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        mfa: None,
    };
    s3.put_bucket_versioning(&input).unwrap();
}

fn files(dir: &Path) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(dir.join("s3/data")) else { return BTreeSet::new() };
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn said<T>(result: S3Result<T>) -> String {
    let error: S3Error = result.err().unwrap();
    let status = error.status_code().unwrap().as_u16();
    format!("{status} {}: {}", error.code().as_str(), error.message().unwrap_or_default())
}

#[tokio::test]
async fn a_body_that_breaks_its_promise_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    let put = async |headers: &[(&'static str, &str)]| {
        let result = s3.put_object(request(write("k", body(b"data")), headers)).await;
        assert_eq!((s3.object("data", "k"), files(dir.path())), (None, BTreeSet::new()));
        said(result)
    };
    insta::assert_snapshot!(put(&[("x-amz-checksum-crc32", "AAAAAA==")]).await, @"400 BadDigest: The CRC32 you specified did not match the calculated checksum.");
    insta::assert_snapshot!(put(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]).await, @"400 BadDigest: The Content-MD5 you specified did not match what we received.");
    insta::assert_snapshot!(put(&[("content-length", "5")]).await, @"400 IncompleteBody: You did not provide the number of bytes specified by the Content-Length HTTP header");
    insta::assert_snapshot!(put(&[("x-amz-trailer", "x-amz-checksum-crc32")]).await, @"400 MalformedTrailerError: The request contained trailing data that was not well-formed or did not conform to our published schema.");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_old_object() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    s3.put_object(request(write("k", body(b"old")), &[])).await.unwrap();
    let chunks = [Ok(Bytes::from_static(b"ne")), Err(std::io::Error::other("connection reset"))];
    let broken = StreamingBlob::wrap(futures::stream::iter(chunks));
    let result = s3.put_object(request(write("k", broken), &[])).await;
    insta::assert_snapshot!(said(result), @"400 IncompleteBody: You did not provide the number of bytes specified by the Content-Length HTTP header");
    assert_eq!(s3.object("data", "k").unwrap(), "old");
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn of_two_writers_who_only_create_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    let put = async |bytes| {
        let input = PutObjectInput { if_none_match: Some(ETagCondition::Any), ..write("k", body(bytes)) };
        s3.put_object(request(input, &[])).await
    };
    let (one, two) = tokio::join!(put(b"one"), put(b"two"));
    let (winner, loser) = if one.is_ok() { ("one", two) } else { ("two", one) };
    insta::assert_snapshot!(said(loser), @"412 PreconditionFailed: At least one of the pre-conditions you specified did not hold");
    assert_eq!(s3.object("data", "k").unwrap(), winner);
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn a_write_that_expects_another_object_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    let put = async |expected: &str| {
        let if_match = Some(ETagCondition::ETag(ETag::Strong(expected.to_owned())));
        s3.put_object(request(PutObjectInput { if_match, ..write("k", body(b"new")) }, &[])).await
    };
    insta::assert_snapshot!(said(put("0123").await), @"404 NoSuchKey: The specified key does not exist.");
    let old = s3.put_object(request(write("k", body(b"old")), &[])).await.unwrap().output.e_tag.unwrap();
    insta::assert_snapshot!(said(put("0123").await), @"412 PreconditionFailed: At least one of the pre-conditions you specified did not hold");
    assert!(put(old.value()).await.is_ok());
    assert_eq!(s3.object("data", "k").unwrap(), "new");
}

#[tokio::test]
async fn a_restart_finds_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    enable_versions(&s3);
    let mut versions = Vec::new();
    for bytes in [b"one", b"two"] {
        let output = s3.put_object(request(write("k", body(bytes)), &[])).await.unwrap().output;
        versions.push(output.version_id.unwrap());
    }
    let marker = s3.delete_object(&delete("k", None)).unwrap().output.version_id.unwrap();
    drop(s3);

    let s3 = S3::open(&config(dir.path())).unwrap();
    assert_eq!(s3.object("data", "k"), None);
    s3.delete_object(&delete("k", Some(&marker))).unwrap();
    assert_eq!(s3.object("data", "k").unwrap(), "two");
    s3.delete_object(&delete("k", Some(&versions[1]))).unwrap();
    assert_eq!(s3.object("data", "k").unwrap(), "one");
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn the_first_write_after_a_restart_moves_what_the_index_does_not_name_into_quarantine() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    s3.put_object(request(write("k", body(b"kept")), &[])).await.unwrap();
    drop(s3);
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("s3/gone")).unwrap();
    for file in ["s3/data/body", "s3/data/incoming-1", "s3/gone/body"] {
        fs::write(path(file), "x").unwrap();
    }

    let s3 = S3::open(&config(dir.path())).unwrap();
    assert_eq!(s3.object("data", "k").unwrap(), "kept");
    assert!(path("s3/data/body").exists() && path("s3/data/incoming-1").exists() && !path("quarantine").exists());
    s3.put_object(request(write("l", body(b"more")), &[])).await.unwrap();
    assert_eq!(files(dir.path()).len(), 2, "and no upload that was cut off");
    assert_eq!(fs::read(path("quarantine/s3/data/body")).unwrap(), b"x");
    assert_eq!(fs::read(path("quarantine/s3/gone/body")).unwrap(), b"x");
    assert!(!path("quarantine/s3/data/incoming-1").exists());
    for key in ["k", "l"] {
        s3.delete_object(&delete(key, None)).unwrap();
    }
    s3.delete_bucket(&DeleteBucketInput { bucket: "data".to_owned(), ..DeleteBucketInput::default() }).unwrap();
    assert!(!s3.is_empty(), "a folder with a quarantine is not removed with an empty cloud");
}

#[tokio::test]
async fn bodies_outlive_the_loss_of_their_index() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    s3.put_object(request(write("k", body(b"kept")), &[])).await.unwrap();
    drop(s3);
    let (index, copy) = (dir.path().join("s3.json"), dir.path().join("copy"));
    let lost = |marks: bool| {
        let error = S3::open(&config(dir.path())).unwrap_err();
        assert!(matches!(&error, StateError::Missing { path, .. } if *path == index), "marks: {marks}: {error}");
        assert_eq!(files(dir.path()).len(), 1);
    };
    fs::rename(&index, &copy).unwrap();
    lost(true);
    fs::remove_dir_all(dir.path().join("written")).unwrap();
    lost(false);
    fs::rename(&copy, &index).unwrap();
    assert_eq!(S3::open(&config(dir.path())).unwrap().object("data", "k").unwrap(), "kept");
}

#[tokio::test]
async fn a_key_never_becomes_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    s3.put_object(request(write("../../escaped", body(b"x")), &[])).await.unwrap();
    assert_eq!(s3.object("data", "../../escaped").unwrap(), "x");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "the index, its mark and the folder of bodies");
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn a_bucket_goes_only_when_nothing_is_left_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    let input = DeleteBucketInput { bucket: "data".to_owned(), ..DeleteBucketInput::default() };
    s3.put_object(request(write("k", body(b"x")), &[])).await.unwrap();
    insta::assert_snapshot!(said(s3.delete_bucket(&input)), @"409 BucketNotEmpty: The bucket you tried to delete is not empty");
    enable_versions(&s3);
    let marker = s3.delete_object(&delete("k", None)).unwrap().output.version_id;
    insta::assert_snapshot!(said(s3.delete_bucket(&input)), @"409 BucketNotEmpty: The bucket you tried to delete is not empty. You must delete all versions in the bucket.");
    s3.delete_object(&delete("k", marker.as_deref())).unwrap();
    s3.delete_object(&delete("k", Some("null"))).unwrap();
    s3.delete_bucket(&input).unwrap();
    assert!(s3.is_empty() && !dir.path().join("s3/data").exists());
    insta::assert_snapshot!(said(s3.delete_bucket(&input)), @"404 NoSuchBucket: The specified bucket does not exist");
}

#[test]
fn a_second_create_succeeds_in_us_east_1_unless_it_brings_tags() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    let tagged = Wanted { tags: vec![("a".to_owned(), "1".to_owned())], ..Wanted::default() };
    assert_eq!(s3.create_bucket("data", Wanted::default()), Ok(()));
    assert_eq!(s3.create_bucket("data", tagged).unwrap_err().code, "BucketAlreadyOwnedByYou");

    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::open(&Config { region: "eu-west-1".to_owned(), ..config(dir.path()) }).unwrap();
    let wanted = Wanted { location: Some("eu-west-1".to_owned()), ..Wanted::default() };
    s3.create_bucket("data", wanted.clone()).unwrap();
    assert_eq!(s3.create_bucket("data", wanted).unwrap_err().code, "BucketAlreadyOwnedByYou");
}

#[tokio::test]
async fn a_completed_upload_is_one_body_and_its_parts_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    let created = {
        let mut input = s3s::dto::CreateMultipartUploadInput::builder();
        input.set_bucket("data".to_owned()).set_key("k".to_owned());
        s3.create_multipart_upload(&input.build().unwrap()).unwrap().output.upload_id.unwrap()
    };
    let mut parts = Vec::new();
    for (number, bytes) in [(1, vec![b'a'; 5 * 1024 * 1024]), (2, b"end".to_vec())] {
        let input = UploadPartInput {
            body: Some(s3s::Body::from(bytes).into()),
            bucket: "data".to_owned(),
            key: "k".to_owned(),
            upload_id: created.clone(),
            part_number: number,
            ..UploadPartInput::default()
        };
        let e_tag = s3.upload_part(request(input, &[])).await.unwrap().output.e_tag;
        parts.push(CompletedPart { part_number: Some(number), e_tag, ..CompletedPart::default() });
    }
    let complete = |parts: &[CompletedPart]| CompleteMultipartUploadInput {
        bucket: "data".to_owned(),
        key: "k".to_owned(),
        upload_id: created.clone(),
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.to_vec()) }),
        ..CompleteMultipartUploadInput::default()
    };
    let reversed: Vec<_> = parts.iter().rev().cloned().collect();
    insta::assert_snapshot!(said(s3.complete_multipart_upload(request(complete(&reversed), &[])).await), @"400 InvalidPartOrder: The list of parts was not in ascending order. Parts must be ordered by part number.");
    let output = s3.complete_multipart_upload(request(complete(&parts), &[])).await.unwrap().output;
    // Computed with Python's hashlib.
    insta::assert_snapshot!(output.e_tag.unwrap().value(), @"cc8f6f16b44b75adde6349ab98aee432-2");
    assert_eq!(s3.object("data", "k").unwrap().len(), 5 * 1024 * 1024 + 3);
    assert_eq!(files(dir.path()).len(), 1);
    // A client that lost the answer asks again, whatever it demands of the object that is there now.
    let again = CompleteMultipartUploadInput { if_none_match: Some(ETagCondition::Any), ..complete(&parts) };
    let again = s3.complete_multipart_upload(request(again, &[])).await.unwrap().output;
    assert_eq!(again.e_tag.unwrap().value(), "cc8f6f16b44b75adde6349ab98aee432-2");
    insta::assert_snapshot!(said(s3.complete_multipart_upload(request(complete(&parts[..1]), &[])).await), @"404 NoSuchUpload: The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.");
    s3.delete_object(&delete("k", None)).unwrap();
    assert!(s3.complete_multipart_upload(request(complete(&parts), &[])).await.is_err(), "the object is gone");
}

#[tokio::test]
async fn a_delete_marker_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = with_bucket(dir.path());
    enable_versions(&s3);
    s3.put_object(request(write("k", body(b"x")), &[])).await.unwrap();
    let marker = s3.delete_object(&delete("k", None)).unwrap().output.version_id;
    let mut input = GetObjectInput { bucket: "data".to_owned(), key: "k".to_owned(), ..GetObjectInput::default() };
    let error = s3.get_object(&input).err().unwrap();
    assert_eq!(error.headers().unwrap()["x-amz-delete-marker"], "true");
    insta::assert_snapshot!(said::<()>(Err(error)), @"404 NoSuchKey: The specified key does not exist.");
    input.version_id = marker;
    insta::assert_snapshot!(said(s3.get_object(&input)), @"405 MethodNotAllowed: The specified method is not allowed against this resource.");
}
