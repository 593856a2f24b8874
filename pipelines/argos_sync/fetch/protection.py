"""What happens to personal values on their way into a warehouse, as configured and as begun there.

A warehouse is written with one policy and one key from its first row to its last: hashes of two
keys do not join, and half a policy protects nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import State
from argos_sync.shape.column_cipher import derive_content_key
from argos_sync.shape.identity import content_hash
from argos_sync.shape.privacy import (
    PolicyError,
    PrivacyPolicy,
    describe_policy_change,
    modes_from_fingerprint,
)
from argos_sync.shape.suppression import EMPTY_SUPPRESSION_LIST, SuppressionList

if TYPE_CHECKING:
    from argos_sync.config import Settings

PRIVACY = "privacy"
"""Key of the state: what the rows are written with."""
_SECRETS = "suppression_secrets"


@dataclass(frozen=True, slots=True)
class Protection:
    """What is done to submissions before they become rows; can be pickled, and then carries keys.

    Attributes:
        policy: What happens to each column.
        hash_key: Of content hashes: without it they tell who guesses the content right.
        suppression: Who must not come back.
    """

    policy: PrivacyPolicy
    hash_key: bytes = field(default=b"", repr=False)
    suppression: SuppressionList = EMPTY_SUPPRESSION_LIST

    @classmethod
    def configured(cls, settings: Settings) -> Protection:
        """Return what the configuration asks for.

        Raises:
            ConfigurationError: The privacy settings cannot be.
        """
        privacy = settings.privacy
        try:
            policy = PrivacyPolicy.from_settings(
                privacy.direct,
                privacy.quasi,
                privacy.modes,
                privacy.key,
                old_keys=privacy.former_keys,
            )
        except PolicyError as error:
            # What it says of a table or a column is about the modes of single columns.
            place = "" if "privacy." in error.problem else "privacy.columns: "
            problem = f"{place}{error.problem}".replace("privacy.", "sources.argos.privacy.", 1)
            raise ConfigurationError(problem, error.remedy) from None
        if policy.is_plain:
            return cls(policy)
        if policy.keyring:
            return cls(policy, policy.keyring.content_key)
        return cls(policy, derive_content_key(settings.api_key or ""))

    def content_hash(self, item: Any, sections: Sequence[str]) -> str:
        """Return a submission's hash; that of some sections never passes for that of the whole."""
        return content_hash([*sections, item] if sections else item, self.hash_key)

    def with_suppression_list(
        self, hashes: frozenset[str], key_ids: AbstractSet[str], state: State
    ) -> Protection:
        """Return it with who must not come back, whatever the rows were written with.

        Args:
            hashes: The list of a warehouse.
            key_ids: Keys it was made with.
            state: Of that warehouse, as last committed.

        Raises:
            ConfigurationError: A key is not configured.
        """
        keys = self._suppression_keys(state)
        for key_id in sorted(key_ids - keys.keys()):
            raise ConfigurationError(
                f"who must not come back is listed with the privacy key {key_id}, which is not"
                " configured",
                "set sources.argos.privacy.key, or old_keys, to it",
            )
        kept = {key_id: key for key_id, key in keys.items() if key_id in key_ids}
        return replace(self, suppression=SuppressionList(hashes, kept))

    def check(self, state: State, *, begun: bool) -> None:
        """Refuse to go on with rows that were written in another way.

        Args:
            state: Of the pipeline, as last committed.
            begun: Whether it has loaded rows; if it does not say how, nothing happened to them.

        Raises:
            ConfigurationError: They were.
        """
        stored = state.get(PRIVACY) or (PrivacyPolicy.plain().fingerprint() if begun else None)
        if stored and (differs := describe_policy_change(stored, self.policy.fingerprint())):
            raise ConfigurationError(
                f"the warehouse was written with other privacy settings: {differs}",
                "set them back, or load all history into another dataset and drop this one:"
                " `argos-sync forget --as-in OLD --dataset NEW` takes over who must not come back,"
                " then `argos-sync sync --dataset NEW`",
            )

    def state_changes(self, state: State) -> State:
        """Return what the next package has to bring into the state; empty when it is there."""
        fingerprint = self.policy.fingerprint()
        return {} if state.get(PRIVACY) == fingerprint else {PRIVACY: fingerprint}

    def suppression_key(self, state: State) -> tuple[str, bytes, State]:
        """Return the key that new entries of the list are made with: its id, itself, what to keep.

        That is the privacy key's. Without one the warehouse has a secret of its own, which keeps
        nothing from who can read the warehouse, but from everybody else.
        """
        if keyring := self.policy.keyring:
            return keyring.key_id, keyring.suppression_key, {}
        known = suppression_secrets(state) or {
            _SECRETS: {secrets.token_hex(4): secrets.token_hex(32)}
        }
        key_id, secret = next(iter(known[_SECRETS].items()))
        return key_id, bytes.fromhex(secret), known

    def _suppression_keys(self, state: State) -> Mapping[str, bytes]:
        keyrings = [*self.policy.old_keyrings, *filter(None, [self.policy.keyring])]
        stored = state.get(_SECRETS) or {}
        own = {key_id: bytes.fromhex(secret) for key_id, secret in stored.items()}
        return own | {keyring.key_id: keyring.suppression_key for keyring in keyrings}


def stored_modes(state: State) -> dict[str, str]:
    """Return what happened to each column of a warehouse, by `table.columns_by_name`."""
    return modes_from_fingerprint(state.get(PRIVACY) or PrivacyPolicy.plain().fingerprint())


def suppression_secrets(*states: State) -> State:
    """Return the part of the state that the lists of one or more warehouses need."""
    found = {key_id: one for state in states for key_id, one in state.get(_SECRETS, {}).items()}
    return {_SECRETS: found} if found else {}


NO_PROTECTION = Protection(PrivacyPolicy.plain())
"""Everything as it comes, and nobody suppressed."""
