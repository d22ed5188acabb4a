"""Taking Option C from nobody to everybody, safely."""
