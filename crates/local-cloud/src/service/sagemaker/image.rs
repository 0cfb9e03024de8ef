//! Image names, and where AWS keeps its prebuilt `XGBoost` image.

/// An ECR image name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image<'a> {
    /// Account that owns the registry.
    pub(super) registry: &'a str,
    pub(super) region: &'a str,
    pub(super) repository: &'a str,
    /// The digest where there is one, or else the tag.
    pub(super) reference: &'a str,
}

impl<'a> Image<'a> {
    /// Reads `<account>.dkr.ecr.<region>.amazonaws.com[.cn]/<repository>` with a tag, a digest or both behind it.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (host, path) = name.split_once('/')?;
        let (registry, rest) = host.split_once(".dkr.ecr.")?;
        let region = rest.strip_suffix(".amazonaws.com.cn").or_else(|| rest.strip_suffix(".amazonaws.com"))?;
        let is_account = registry.len() == 12 && registry.bytes().all(|b| b.is_ascii_digit());
        let (tagged, digest) = path.split_once('@').map_or((path, None), |(tagged, digest)| (tagged, Some(digest)));
        let (repository, tag) = tagged.split_once(':').map_or((tagged, None), |(name, tag)| (name, Some(tag)));
        let named = is_account && !region.is_empty() && is_repository(repository);
        let version = match (tag, digest) {
            (None, None) => false,
            (tag, digest) => tag.is_none_or(is_tag) && digest.is_none_or(is_digest),
        };
        let reference = digest.or(tag).unwrap_or_default();
        (named && version).then_some(Self { registry, region, repository, reference })
    }

    /// Whether it names AWS's `XGBoost` image in an account where AWS does not keep it.
    pub(super) fn is_prebuilt_elsewhere(&self) -> bool {
        self.repository == "sagemaker-xgboost" && prebuilt_account(self.region) != Some(self.registry)
    }
}

fn is_repository(name: &str) -> bool {
    !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b))
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The account that holds `sagemaker-xgboost` in a region, from the Python SDK's table.
fn prebuilt_account(region: &str) -> Option<&'static str> {
    PREBUILT.iter().find(|(known, _)| *known == region).map(|(_, account)| *account)
}

const PREBUILT: &[(&str, &str)] = &[
    ("af-south-1", "510948584623"),
    ("ap-east-1", "651117190479"),
    ("ap-northeast-1", "354813040037"),
    ("ap-northeast-2", "366743142698"),
    ("ap-northeast-3", "867004704886"),
    ("ap-south-1", "720646828776"),
    ("ap-south-2", "628508329040"),
    ("ap-southeast-1", "121021644041"),
    ("ap-southeast-2", "783357654285"),
    ("ap-southeast-3", "951798379941"),
    ("ap-southeast-4", "106583098589"),
    ("ca-central-1", "341280168497"),
    ("ca-west-1", "190319476487"),
    ("cn-north-1", "450853457545"),
    ("cn-northwest-1", "451049120500"),
    ("eu-central-1", "492215442770"),
    ("eu-central-2", "680994064768"),
    ("eu-north-1", "662702820516"),
    ("eu-south-1", "978288397137"),
    ("eu-south-2", "104374241257"),
    ("eu-west-1", "141502667606"),
    ("eu-west-2", "764974769150"),
    ("eu-west-3", "659782779980"),
    ("il-central-1", "898809789911"),
    ("me-central-1", "272398656194"),
    ("me-south-1", "801668240914"),
    ("sa-east-1", "737474898029"),
    ("us-east-1", "683313688378"),
    ("us-east-2", "257758044811"),
    ("us-gov-east-1", "237065988967"),
    ("us-gov-west-1", "414596584902"),
    ("us-west-1", "746614075791"),
    ("us-west-2", "246618743249"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_needs_an_account_a_repository_and_a_tag_or_digest() {
        let digest = "a".repeat(64);
        let parse = |name: &str| Image::parse(name).map(|image| image.repository.to_owned());
        assert_eq!(parse("123456789012.dkr.ecr.us-east-1.amazonaws.com/a/b:1.0"), Some("a/b".into()));
        assert_eq!(
            parse(&format!("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a@sha256:{digest}")),
            Some("a".into())
        );
        for bad in [
            "nginx:latest",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/a",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:00",
            "12345678901.dkr.ecr.us-east-1.amazonaws.com/a:1",
            "123456789012.dkr.ecr.us-east-1.example.com/a:1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_prebuilt_image_of_another_region_is_elsewhere() {
        let elsewhere = |name| Image::parse(name).map(|image| image.is_prebuilt_elsewhere());
        assert_eq!(elsewhere("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"), Some(false));
        assert_eq!(elsewhere("683313688378.dkr.ecr.us-east-2.amazonaws.com/sagemaker-xgboost:1.7-1"), Some(true));
        assert_eq!(elsewhere("123456789012.dkr.ecr.us-east-2.amazonaws.com/mine:1"), Some(false));
    }
}
