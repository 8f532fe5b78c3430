# SPDX-License-Identifier: Apache-2.0
"""The resources of the Compute API, one module or package each; being here is being served."""
