"""The paper's claims, each with what decides it fixed beforehand, and the judge that reads tables."""
