//! Followers: charges that are consequences of other charges.
//!
//! A credit, a tax or the unused part of a commitment has no driver of its own. Each kind is
//! recognised by FOCUS columns only, so it is the same for every provider, and has a policy in the
//! pipeline. A charge of several kinds is of the first: the correction of a tax is a refund.

use apportion_spec::pipeline::{FollowerPolicy, Followers};

/// A kind of follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follower {
    Credit,
    Refund,
    Tax,
    Support,
    UnusedCommitment,
    CommitmentPurchase,
}

impl Follower {
    /// Every kind, in the order in which a charge is recognised.
    pub(super) const ALL: [Self; 6] =
        [Self::Credit, Self::Refund, Self::Tax, Self::Support, Self::UnusedCommitment, Self::CommitmentPurchase];

    /// Name as written in the pipeline, and the rule id of its allocated rows.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Refund => "refund",
            Self::Tax => "tax",
            Self::Support => "support",
            Self::UnusedCommitment => "unused_commitment",
            Self::CommitmentPurchase => "commitment_purchase",
        }
    }

    /// The condition on a charge, in SQL over FOCUS columns.
    pub(super) const fn condition(self) -> &'static str {
        match self {
            Self::Credit => "ChargeCategory = 'Credit'",
            Self::Refund => "ChargeClass = 'Correction'",
            Self::Tax => "ChargeCategory = 'Tax'",
            Self::Support => "ServiceCategory = 'Management and Governance' and ServiceSubcategory = 'Support'",
            Self::UnusedCommitment => "CommitmentDiscountStatus = 'Unused'",
            Self::CommitmentPurchase => "ChargeCategory = 'Purchase' and CommitmentDiscountId is not null",
        }
    }

    /// The declared policy.
    pub(super) const fn policy(self, declared: &Followers) -> FollowerPolicy {
        match self {
            Self::Credit => declared.credit,
            Self::Refund => declared.refund,
            Self::Tax => declared.tax,
            Self::Support => declared.support,
            Self::UnusedCommitment => declared.unused_commitment,
            Self::CommitmentPurchase => declared.commitment_purchase,
        }
    }

    /// SQL that names the kind of a charge, NULL for ordinary charges.
    pub(super) fn kind_sql() -> String {
        let branches: Vec<String> =
            Self::ALL.iter().map(|kind| format!("when {} then '{}'", kind.condition(), kind.as_str())).collect();
        format!("case {} end", branches.join(" "))
    }

    /// The names of the kinds with this policy, as a SQL list for `in`; `None` when there are none.
    pub(super) fn list_sql(declared: &Followers, policy: FollowerPolicy) -> Option<String> {
        let names: Vec<String> = Self::ALL
            .iter()
            .filter(|kind| kind.policy(declared) == policy)
            .map(|kind| format!("'{}'", kind.as_str()))
            .collect();
        (!names.is_empty()).then(|| format!("({})", names.join(", ")))
    }
}
