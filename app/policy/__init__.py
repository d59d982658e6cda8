"""To issue or to refuse: the policy in force, how it is read anew, and an app's own rules."""

from .app_rules import AppRules
from .policies import Policies
from .policy import Facts, Issue, Policy, Refuse, Rule

__all__ = ["AppRules", "Facts", "Issue", "Policies", "Policy", "Refuse", "Rule"]
