"""`python -m tf_maskformer VERB …`, the command tf-maskformer where it is not installed."""

from tf_maskformer import console

if __name__ == '__main__':
  console.main()
