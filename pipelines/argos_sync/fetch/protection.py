"""The protection of personal values: privacy policy, hash key and suppression list.

A warehouse keeps one policy and one key for all of its rows: hashes made with two keys do not join,
and a policy that covers half of the rows protects nobody.
"""

import secrets
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import State
from argos_sync.shape.column_cipher import derive_content_key
from argos_sync.shape.identity import content_hash, read_content
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
"""Key of the state: the policy's fingerprint, see `checkpoint`."""
_SECRETS = "suppression_secrets"

PROTECTION_FACTS = frozenset({PRIVACY, _SECRETS})
"""Keys of the state that are about all rows of a warehouse, whichever pipeline wrote them."""


@dataclass(frozen=True, slots=True)
class Protection:
    """Everything that protects submissions before they become rows.

    It can be pickled, and then contains keys. Without `hash_key` a content hash would confirm a
    guess of the content; `suppression` are submissions that must not be loaded again.
    """

    policy: PrivacyPolicy
    hash_key: bytes = field(default=b"", repr=False)
    suppression: SuppressionList = EMPTY_SUPPRESSION_LIST

    @classmethod
    def configured(cls, settings: "Settings") -> Self:
        """Return the configured protection, with an empty suppression list.

        Raises:
            ConfigurationError: The privacy settings are invalid.
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
            # A problem that names no setting is about the mode of a single column.
            setting = "" if "privacy." in error.message else "privacy.columns: "
            problem = f"{setting}{error.message}".replace("privacy.", "sources.argos.privacy.", 1)
            raise ConfigurationError(problem, error.remedy) from None
        if policy.is_plain:
            return cls(policy)
        if policy.keyring:
            return cls(policy, policy.keyring.content_key)
        return cls(policy, derive_content_key(settings.api_key or ""))

    def content_hash(self, item: Any, sections: Sequence[str]) -> str:
        """Return the content hash of a submission, which depends on the sections that were read."""
        return content_hash([*sections, item] if sections else item, self.hash_key)

    def quarantine_id(self, content: Any) -> str:
        """Return the key in quarantine of a submission id, or of an object without one."""
        return content_hash(content, self.hash_key)

    def read_content(self, item: Any, sections: Sequence[str]) -> tuple[str, bool]:
        """Return the content hash of a submission, and whether it is a deletion stub."""
        return read_content([*sections, item] if sections else item, self.hash_key)

    def with_suppression_list(
        self, hashes: frozenset[str], key_ids: AbstractSet[str], state: State
    ) -> Self:
        """Return the protection with the suppression list of the warehouse that has this state.

        Raises:
            ConfigurationError: One of the keys that the entries were made with is not configured.
        """
        keys = self.suppression_keys(state)
        for key_id in sorted(key_ids - keys.keys()):
            raise ConfigurationError(
                f"the suppression list was made with the privacy key {key_id}, which is not"
                " configured",
                "set sources.argos.privacy.key, or old_keys, to it; if it is lost, forget everyone"
                f" again with `argos-sync forget --discard-key {key_id} --allow-unknown"
                " --userid …`, because nobody on the list can be recognized without it"
                " (docs/privacy.md)",
            )
        list_keys = {key_id: key for key_id, key in keys.items() if key_id in key_ids}
        return replace(self, suppression=SuppressionList(hashes, list_keys))

    def suppression_keys(self, state: State) -> dict[str, bytes]:
        """Return the keys that entries of the suppression list can be read with, by key id."""
        keys = {key: bytes.fromhex(secret) for key, secret in state.get(_SECRETS, {}).items()}
        for keyring in filter(None, (*self.policy.old_keyrings, self.policy.keyring)):
            keys[keyring.key_id] = keyring.suppression_key
        return keys

    def check(self, state: State, *, has_rows: bool) -> None:
        """Refuse to write to a warehouse whose rows have another privacy policy.

        If there are rows, but the state has no policy, they are plain.

        Raises:
            ConfigurationError: The policies differ.
        """
        stored = state.get(PRIVACY) or (PrivacyPolicy.plain().fingerprint() if has_rows else None)
        if stored and (changes := describe_policy_change(stored, self.policy.fingerprint())):
            raise ConfigurationError(
                f"the warehouse was written with other privacy settings: {changes}",
                "restore them, or load all history into another dataset and drop this one:"
                " `argos-sync forget --as-in OLD --dataset NEW` copies the suppression list, then"
                " run `argos-sync sync --dataset NEW`",
            )

    def state_changes(self, state: State) -> State:
        """Return the changes of the state for the next commit; empty if there are none."""
        fingerprint = self.policy.fingerprint()
        return {} if state.get(PRIVACY) == fingerprint else {PRIVACY: fingerprint}

    def suppression_key(self, state: State) -> tuple[str, bytes, State]:
        """Return the key for new entries of the suppression list: id, key, change of the state.

        It is derived from the privacy key. Without a privacy key the warehouse has a secret of its
        own, which protects the list from everybody but readers of the warehouse.
        """
        if keyring := self.policy.keyring:
            return keyring.key_id, keyring.suppression_key, {}
        changes = suppression_secrets(state) or {
            _SECRETS: {secrets.token_hex(4): secrets.token_hex(32)}
        }
        key_id, secret = next(iter(changes[_SECRETS].items()))
        return key_id, bytes.fromhex(secret), changes


def stored_modes(state: State) -> dict[str, str]:
    """Return the privacy mode of each column of a warehouse, by `table.column`."""
    return modes_from_fingerprint(state.get(PRIVACY) or PrivacyPolicy.plain().fingerprint())


def suppression_secrets(*states: State) -> State:
    """Return the secrets of the suppression lists of some warehouses, as a part of the state."""
    merged: State = {}
    for state in states:
        merged |= state.get(_SECRETS, {})
    return {_SECRETS: merged} if merged else {}


def own_secrets(state: State) -> dict[str, str]:
    """Return the secrets of a warehouse's suppression list by key id, in hexadecimal digits."""
    return dict(state.get(_SECRETS, {}))


def secrets_state(secrets_by_id: Mapping[str, str]) -> State:
    """Return secrets of a suppression list by key id, in hexadecimal digits, as a state."""
    return {_SECRETS: dict(secrets_by_id)} if secrets_by_id else {}


NO_PROTECTION = Protection(PrivacyPolicy.plain())
"""All columns plain, and an empty suppression list."""
