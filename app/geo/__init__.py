"""Where an address is: GeoIP databases of several vendors, the places in them, network overlays."""
