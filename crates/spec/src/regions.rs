//! The regions that have a `sagemaker-xgboost` registry, and what differs between them.
//!
//! Source: the `SageMaker` Python SDK's table of image URIs for `xgboost`.

/// Every known region and the account whose registry holds `sagemaker-xgboost` there.
pub const XGBOOST_REGISTRIES: [(&str, &str); 33] = [
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

/// The account whose registry holds `sagemaker-xgboost` in `region`; none for a region that is not known.
pub fn xgboost_registry(region: &str) -> Option<&'static str> {
    XGBOOST_REGISTRIES.iter().find(|(name, _)| *name == region).map(|(_, account)| *account)
}

/// The second part of every ARN: `aws`, `aws-cn` or `aws-us-gov`.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// What host names of services end with: `amazonaws.com` or `amazonaws.com.cn`.
pub fn dns_suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registry_is_an_account_and_no_two_regions_share_one() {
        let mut accounts: Vec<_> = XGBOOST_REGISTRIES.iter().map(|(_, account)| account).collect();
        assert!(accounts.iter().all(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())));
        accounts.sort();
        accounts.dedup();
        assert_eq!(accounts.len(), XGBOOST_REGISTRIES.len());
        assert!(XGBOOST_REGISTRIES.is_sorted(), "did-you-mean and readers rely on the order");
    }

    #[test]
    fn china_and_gov_cloud_are_partitions_of_their_own() {
        assert_eq!((partition("cn-north-1"), dns_suffix("cn-north-1")), ("aws-cn", "amazonaws.com.cn"));
        assert_eq!((partition("us-gov-west-1"), dns_suffix("us-gov-west-1")), ("aws-us-gov", "amazonaws.com"));
        assert_eq!((partition("us-west-1"), dns_suffix("us-west-1")), ("aws", "amazonaws.com"));
        assert_eq!(xgboost_registry("ap-south-1"), Some("720646828776"));
        assert_eq!(xgboost_registry("mars-1"), None);
    }
}
