"""Giving an exported model to the Hugging Face hub.

Whose account it is, and at which address the hub is, `huggingface_hub` knows as it always does: by
`hf auth login` or HF_TOKEN, and by HF_ENDPOINT. A repository that does not exist yet is made
private: whether the world may have the model is for a person to say.
"""

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

# What the library's own HTTP client raises where nobody answers; it has changed its client before
HTTP_ERROR: type[Exception] = next(
    (base for base in HfHubHTTPError.__mro__[1:] if base.__name__ == "HTTPError"), OSError
)


class PushError(OSError):
    """The hub did not take a model; its folder is written all the same."""


def push(folder: Path, repository: str) -> str:
    """Upload the files of a folder as one commit to a repository of the hub; return its address.

    Raises:
        PushError: says what the hub answered, and how to push the folder later.
    """
    api = HfApi()
    try:
        address = api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message="A model exported from Weir"
        )
    # ValueError: a name that is none
    except (OSError, ValueError, HTTP_ERROR) as error:
        reason = " ".join(str(error).split())
        raise PushError(
            f"{folder} is written, but was not pushed to {repository!r}: {reason} Log in "
            f"(hf auth login) or set HF_TOKEN, and push it: hf upload {repository} '{folder}'"
        ) from error
    return str(address)
