"""The only code that knows vendor shapes: signature, translate, client."""
