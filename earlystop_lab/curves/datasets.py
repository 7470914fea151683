"""Which names of data sets mean the same data in every corpus.

Runs on the same data are not independent, whichever corpus recorded them. But the same name may
mean other data elsewhere: PROBEN1's ``diabetes`` has the Pima, scikit-learn's ``diabetes`` the
patients of Efron et al. Therefore the column ``dataset`` of the known corpora has names of this
table, and names that are not in it mean something only within their corpus.
"""

import pandas as pd

#: name -> the data that it means in every corpus
SHARED = {
    # PROBEN1 (Prechelt 1994), mostly from the UCI repository
    "building": "energy of a building, ASHRAE's predictor shootout, 4208 examples",
    "cancer": "breast cancer of Wisconsin, original (cell scores), 699 examples",
    "card": "credit approval (crx), 690 examples; the Australian version is the same data",
    "flare": "solar flares, 1066 examples",
    "gene": "splice junctions of DNA, 3175 examples",
    "glass": "identification of glass, 214 examples",
    "heart": "heart disease, from four clinics with Cleveland's, 920 examples",
    "horse": "horse colic, 364 examples",
    "pima": "diabetes of the Pima, 768 examples; PROBEN1's problem diabetes",
    "soybean": "diseases of soybeans, large version, 683 examples",
    "thyroid": "thyroid disease (ann-thyroid), 7200 examples",
    # scikit-learn
    "breast_cancer": "breast cancer of Wisconsin, diagnostic (cell nuclei), 569 examples",
    "diabetes": "progression of diabetes, Efron et al. 2004, 442 examples",
    "digits": "handwritten digits of 8 x 8 pixels, test part, 1797 examples",
    "iris": "Anderson's irises, Fisher 1936, 150 examples",
    "wine": "three cultivars of wine (Forina et al.), 178 examples",
    # made by scikit-learn's generators with the options of experiments/recorded_problems.py
    "synthetic-clusters": "make_classification",
    "synthetic-friedman1": "make_friedman1",
    "synthetic-moons": "make_moons",
    "synthetic-quantiles": "make_gaussian_quantiles",
    # large ones
    "c4": "text of the web, C4",
    "cifar10": "CIFAR-10",
    "criteo": "clicks on advertisements, Criteo 1TB",
    "imagenet": "ImageNet, ILSVRC 2012",
    "imdb": "movie reviews, Maas et al. 2011",
}
#: other names of data in that table
ALIASES = {
    "criteo1tb": "criteo",
    # the Australian version
    "openml-167104": "card",
}


def across(corpus: str, datasets: pd.Index) -> pd.Index:
    """Names that are equal only for the same data, whichever corpus they come from.

    >>> across("mine", pd.Index(["iris", "criteo1tb", "sales"])).tolist()
    ['iris', 'criteo', 'mine: sales']
    """
    called = [ALIASES.get(name, name) for name in datasets]
    names = [name if name in SHARED else f"{corpus}: {name}" for name in called]
    return pd.Index(names, name=datasets.name)
