//! Repositories: made, described, deleted, and whether their tags may move.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Ecr;
use super::check::{flag, invalid, is_name, list, page, refuse, repository_name, required, text};
use super::record::Repository;
use super::{tags, token};
use crate::call::Refusal;

/// `CreateRepository`.
pub(super) fn create(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    let mutability = mutability(body)?.unwrap_or("MUTABLE");
    let encryption = encryption(body)?;
    let mut repository = Repository {
        folder: format!("{:016x}", rand::random::<u64>()),
        created: token::now(),
        mutability: mutability.to_owned(),
        scan_on_push: body["imageScanningConfiguration"]["scanOnPush"].as_bool().unwrap_or(false),
        encryption,
        tags: BTreeMap::new(),
        layers: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    tags::add(&mut repository, tags::checked(body)?)?;
    let described = described(ecr, name, &repository);
    ecr.registry.write(|registry| {
        if registry.repositories.contains_key(name) {
            let message =
                format!("The repository with name '{name}' already exists in the registry with id '{}'", ecr.account);
            return Err(refuse("RepositoryAlreadyExistsException", message));
        }
        registry.repositories.insert(name.to_owned(), repository);
        Ok(json!({ "repository": described }))
    })
}

/// `DescribeRepositories`. A name that is not there refuses the whole call.
pub(super) fn describe(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let names = list(body, "repositoryNames", 100)?;
    ecr.registry.read(|registry| {
        let wanted: Vec<&str> = match names {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => registry.repositories.keys().map(String::as_str).collect(),
        };
        let item = |name: &&str| {
            if !is_name(name) {
                return Err(invalid("repositoryNames", "must satisfy the pattern of repository names"));
            }
            Ok(((*name).to_owned(), described(ecr, name, ecr.repository(registry, name)?)))
        };
        page(body, "repositories", wanted.iter().map(item).collect::<Result<Vec<_>, _>>()?)
    })
}

/// `DeleteRepository`.
pub(super) fn delete(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let (name, force) = (repository_name(body)?, flag(body, "force")?);
    let repository = ecr.registry.write(|registry| {
        if !ecr.repository(registry, name)?.images.is_empty() && !force {
            let message = format!(
                "The repository with name '{name}' in registry with id '{}' cannot be deleted because it still contains \
                 images",
                ecr.account
            );
            return Err(refuse("RepositoryNotEmptyException", message));
        }
        let gone = registry.repositories.remove(name).ok_or_else(|| ecr.no_repository(name))?;
        registry.uploads.retain(|_, upload| upload.folder != gone.folder);
        Ok(gone)
    })?;
    // The state no longer mentions its blobs.
    ecr.store.remove_folder(&repository.folder);
    Ok(json!({ "repository": described(ecr, name, &repository) }))
}

/// `PutImageTagMutability`.
pub(super) fn put_mutability(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    required(body, "imageTagMutability")?;
    let mutability = mutability(body)?.unwrap_or_default();
    ecr.registry.write(|registry| {
        mutability.clone_into(&mut ecr.repository_mut(registry, name)?.mutability);
        Ok(json!({ "registryId": ecr.account, "repositoryName": name, "imageTagMutability": mutability }))
    })
}

fn mutability(body: &Value) -> Result<Option<&str>, Refusal> {
    let Some(mutability) = text(body, "imageTagMutability")? else { return Ok(None) };
    match mutability {
        "MUTABLE" | "IMMUTABLE" => Ok(Some(mutability)),
        _ => Err(invalid("imageTagMutability", "must satisfy enum value set: [MUTABLE, IMMUTABLE]")),
    }
}

fn encryption(body: &Value) -> Result<Value, Refusal> {
    let given = &body["encryptionConfiguration"];
    match given["encryptionType"].as_str() {
        None if given.is_null() => Ok(json!({ "encryptionType": "AES256" })),
        Some("AES256") => Ok(given.clone()),
        _ => Err(invalid("encryptionConfiguration", "must satisfy enum value set: [AES256, KMS, KMS_DSSE]")),
    }
}

fn described(ecr: &Ecr, name: &str, repository: &Repository) -> Value {
    json!({
        "repositoryArn": ecr.arn(name),
        "registryId": ecr.account,
        "repositoryName": name,
        "repositoryUri": format!("{}/{name}", ecr.host()),
        "createdAt": repository.created,
        "imageTagMutability": repository.mutability,
        "imageScanningConfiguration": { "scanOnPush": repository.scan_on_push },
        "encryptionConfiguration": repository.encryption,
    })
}
