"""Image repositories, and images of one layer."""

import base64
import hashlib
import json

LAYER = b"layer" * 20
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
KIND = "application/vnd.docker.distribution.manifest.v2+json"
REPOSITORY = "{name: repositoryName, arn: repositoryArn, uri: repositoryUri, tags: imageTagMutability, kept: encryptionConfiguration.encryptionType}"


def _digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _manifest(*layers):
    described = lambda kind, content: {"mediaType": kind, "size": len(content), "digest": _digest(content)}  # noqa: E731
    return json.dumps({
        "schemaVersion": 2,
        "mediaType": KIND,
        "config": described("application/vnd.docker.container.image.v1+json", CONFIG),
        "layers": [described("application/vnd.docker.image.rootfs.diff.tar.gzip", layer) for layer in layers],
    })


def _repository(do, name, **more):
    do.set("ecr.create_repository", repositoryName=name, **more)
    return {"repositoryName": name}


def _put(do, repository, content):
    """Uploads a layer; what the last call answers is for the case."""
    upload = do.set("ecr.initiate_layer_upload", **repository).get("uploadId", "absent")
    part = {"uploadId": upload, "partFirstByte": 0, "partLastByte": len(content) - 1, "layerPartBlob": content}
    do.set("ecr.upload_layer_part", **part, **repository)
    return {"uploadId": upload, **repository}


def repositories(do):
    one = {"repositoryName": "conf/repository"}
    made = {"imageTagMutability": "IMMUTABLE", "tags": [{"Key": "a", "Value": "1"}]}
    do.do("create", "ecr.create_repository", f"repository.{REPOSITORY}", **made, **one)
    do.do("create again", "ecr.create_repository", aws="already present", **one)
    describe = {"repositoryNames": ["conf/repository"]}
    do.do("describe", "ecr.describe_repositories", f"repositories[].{REPOSITORY}", **describe)
    mutable = {"imageTagMutability": "MUTABLE", **one}
    do.do("let tags move", "ecr.put_image_tag_mutability", "imageTagMutability", **mutable)
    arn = {"resourceArn": f"arn:aws:ecr:{do.region}:{do.account}:repository/conf/repository"}
    do.do("tag", "ecr.tag_resource", tags=[{"Key": "b", "Value": "2"}], **arn)
    do.do("untag", "ecr.untag_resource", tagKeys=["a"], **arn)
    do.do("tags", "ecr.list_tags_for_resource", "tags", **arn)
    do.do("bad name", "ecr.create_repository", repositoryName="Conf")
    do.do("delete", "ecr.delete_repository", **one)
    absent = ("DescribeRepositories/DeleteRepository", "absent")
    do.do("delete again", "ecr.delete_repository", aws=absent, **one)
    do.do("describe an absent one", "ecr.describe_repositories", aws=absent, **describe)
    do.do("tags of an absent one", "ecr.list_tags_for_resource", **arn)
    do.do("images of an absent one", "ecr.describe_images", **one)
    token = do.do("token", "ecr.get_authorization_token", "length(authorizationData)")
    given = token.get("authorizationData", [{}])[0].get("authorizationToken", "")
    do.note("token is of AWS", json.dumps(base64.b64decode(given).startswith(b"AWS:")))


def layers(do):
    repository = _repository(do, "conf/layers")
    upload = _put(do, repository, LAYER)
    do.do("wrong digest", "ecr.complete_layer_upload", aws="digest mismatch", layerDigests=[_digest(b"other")], **upload)
    upload = _put(do, repository, LAYER)
    do.do("complete", "ecr.complete_layer_upload", "layerDigest", layerDigests=[_digest(LAYER)], **upload)
    upload = _put(do, repository, LAYER)
    there = "layer already there"
    do.do("complete again", "ecr.complete_layer_upload", aws=there, layerDigests=[_digest(LAYER)], **upload)
    digests = {"layerDigests": [_digest(LAYER), _digest(b"absent")]}
    shown = "{layers: layers[].layerAvailability, failures: failures[].failureCode}"
    do.do("is it there", "ecr.batch_check_layer_availability", shown, **digests, **repository)
    upload = _put(do, repository, b"small")
    part = {"partFirstByte": 5, "partLastByte": 9, "layerPartBlob": b"parts", **upload}
    do.look("ecr.upload_layer_part", **part)
    small = "part < 5 MiB"
    do.do("small parts", "ecr.complete_layer_upload", aws=small, layerDigests=[_digest(b"smallparts")], **upload)
    absent = {"uploadId": "00000000-0000-0000-0000-000000000000", **repository}
    do.do("absent upload", "ecr.complete_layer_upload", layerDigests=[_digest(LAYER)], **absent)
    do.set("ecr.delete_repository", force=True, **repository)


def images(do):
    repository = _repository(do, "conf/images", imageTagMutability="IMMUTABLE")
    manifest = {"imageManifest": _manifest(LAYER), "imageManifestMediaType": KIND, **repository}
    do.do("without layers", "ecr.put_image", aws="layers missing", imageTag="one", **manifest)
    for content in (LAYER, CONFIG):
        do.look("ecr.complete_layer_upload", layerDigests=[_digest(content)], **_put(do, repository, content))
    right = f"image.imageId.imageDigest == '{_digest(manifest['imageManifest'].encode())}'"
    do.do("put", "ecr.put_image", right, imageTag="one", **manifest)
    do.do("put again", "ecr.put_image", aws="same manifest and tag", imageTag="one", **manifest)
    other = {**manifest, "imageManifest": _manifest(LAYER, LAYER)}
    do.do("move the tag", "ecr.put_image", aws="immutable tag taken", imageTag="one", **other)
    do.do("no manifest", "ecr.put_image", imageTag="two", **{**manifest, "imageManifest": "nonsense"})
    shown = "{images: images[].imageId.imageTag, failures: failures[].[failureCode, failureReason]}"
    do.do("get", "ecr.batch_get_image", shown, imageIds=[{"imageTag": "one"}], **repository)
    do.do("get an absent one", "ecr.batch_get_image", shown, aws="tag absent", imageIds=[{"imageTag": "absent"}], **repository)
    do.do("describe", "ecr.describe_images", "imageDetails[].[imageTags, imageManifestMediaType]", **repository)
    do.do("describe an absent one", "ecr.describe_images", imageIds=[{"imageTag": "absent"}], **repository)
    do.do("list", "ecr.list_images", "imageIds[].imageTag", **repository)
    do.do("delete the repository", "ecr.delete_repository", aws="not empty, force=false", **repository)
    do.do("delete", "ecr.batch_delete_image", "imageIds[].imageTag", imageIds=[{"imageTag": "one"}], **repository)
    deleted = "failures[].failureCode"
    do.do("delete again", "ecr.batch_delete_image", deleted, imageIds=[{"imageTag": "one"}], **repository)
    do.set("ecr.delete_repository", force=True, **repository)
